"""The settings of a span store in the cluster, where a test needs any that are accepted."""

from typing import Any

from tests.certificate import CERTIFICATE

IN_CLUSTER: dict[str, Any] = {
    "mode": "in_cluster",
    "username": "jaeger",
    "master_username": "administrator",
    "ca": CERTIFICATE,
    "certificate": CERTIFICATE,
    "snapshot_storage": {"storage_class": "efs", "size_gib": 30},
}
