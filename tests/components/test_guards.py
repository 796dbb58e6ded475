"""Volumes never shrink. (That nothing is taken over is shown against a real API server, in tests/e2e.)"""

from typing import Any

import pulumi
import pytest

from components.guards import GuardError, check_size

CLAIM = "kubernetes:core/v1:PersistentVolumeClaim"


def change(
    old_gib: int, new_gib: int, kind: str = "kubernetes:core/v1:PersistentVolumeClaim"
) -> pulumi.ResourceHookArgs:
    def claim(size_gib: int) -> dict[str, Any]:
        return {"spec": {"resources": {"requests": {"storage": f"{size_gib}Gi"}}}}

    return pulumi.ResourceHookArgs(
        urn="", id="", name="loki-data-0", type=kind, old_inputs=claim(old_gib), new_inputs=claim(new_gib)
    )


def test_a_smaller_volume_is_refused_with_the_least_that_is_accepted() -> None:
    with pytest.raises(GuardError, match=r"loki-data-0 has 5 GiB and no volume can shrink; set storage\.size_gib to 5"):
        check_size(change(5, 4))


def test_a_larger_volume_passes() -> None:
    check_size(change(5, 6))


def test_other_objects_are_not_looked_at() -> None:
    check_size(change(5, 4, kind="kubernetes:core/v1:ConfigMap"))
