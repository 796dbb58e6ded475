"""The rights of the one user that Jaeger, its cleaner, its dependency job and the store's exporter log in as."""

import json
from typing import Any


def permissions(index_prefix: str) -> dict[str, Any]:
    """A role of OpenSearch's security plugin: everything on the environment's own indices, figures of all others."""
    return {
        "cluster_permissions": [
            "cluster:monitor/*",  # version at start; the exporter's figures
            # a bulk, a search in several indices and a page of it are requests to the cluster; what is in them is
            # checked against the indices below
            "cluster_composite_ops",
            "indices:admin/template/get",
            "indices:admin/template/put",
        ],
        "index_permissions": [
            {
                "index_patterns": [f"{index_prefix}-jaeger-*"],
                "allowed_actions": [
                    "read",
                    "write",
                    "create_index",
                    "indices:admin/mapping/*",
                    "indices:admin/get",
                    "indices:admin/delete",  # the cleaner's
                ],
            },
            {"index_patterns": ["*"], "allowed_actions": ["indices:monitor/*"]},
        ],
    }


def render_role(environment: str, index_prefix: str) -> str:
    """The text of role.json, which jobs/span_store.py puts into the store."""
    return json.dumps({"environment": environment, "permissions": permissions(index_prefix)}, indent=2) + "\n"
