"""Does each claim get its own disk, grow with it, and lose it when it goes?"""

from pathlib import Path
from typing import Any

import pytest

from sandbox.errors import SandboxError
from sandbox.node import layout, volumes
from sandbox.node.volumes import reconcile, size_bytes


def claim(name: str = "data", **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": "monitoring",
            "uid": f"uid-{name}",
            "annotations": {
                "volume.kubernetes.io/selected-node": "sandbox",
                "volume.kubernetes.io/storage-provisioner": layout.PROVISIONER,
            },
        },
        "spec": {
            "storageClassName": layout.STORAGE_CLASS,
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            **spec,
        },
        "status": {},
    }


def bound(name: str = "data", *, has: str, wants: str) -> dict[str, Any]:
    made = claim(name, volumeName=f"pvc-uid-{name}", resources={"requests": {"storage": wants}})
    return made | {"status": {"phase": "Bound", "capacity": {"storage": has}}}


def volume(
    name: str = "data", *, phase: str = "Bound", size: str = "1Gi", by: str = layout.PROVISIONER
) -> dict[str, Any]:
    return {
        "metadata": {"name": f"pvc-uid-{name}", "annotations": {"pv.kubernetes.io/provisioned-by": by}},
        "spec": {"capacity": {"storage": size}},
        "status": {"phase": phase},
    }


class FakeCluster:
    """Lists what it was given and remembers what it was asked to do."""

    def __init__(self, claims: list[dict[str, Any]], volumes: list[dict[str, Any]]) -> None:
        self.claims, self.volumes = claims, volumes
        self.created: list[dict[str, Any]] = []
        self.patched: dict[str, Any] = {}
        self.deleted: list[str] = []

    def list(self, path: str) -> list[dict[str, Any]]:
        return self.claims if path.endswith("claims") else self.volumes

    def create(self, path: str, body: dict[str, Any]) -> None:
        assert path == "/api/v1/persistentvolumes"
        self.created.append(body)

    def patch(self, path: str, body: dict[str, Any]) -> None:
        self.patched[path] = body

    def delete(self, path: str) -> None:
        self.deleted.append(path)


class FakeDisks:
    def __init__(self, failing: str = "") -> None:
        self.failing = failing
        self.calls: list[tuple[str, str, int]] = []

    def provide(self, name: str, size: int) -> Path:
        if name == self.failing:
            raise SandboxError("no space left")
        self.calls.append(("provide", name, size))
        return Path("/disks") / name / "data"

    def grow(self, name: str, size: int) -> None:
        self.calls.append(("grow", name, size))

    def remove(self, name: str) -> None:
        self.calls.append(("remove", name, 0))


def run(claims: list[dict[str, Any]], existing: list[dict[str, Any]], failing: str = "") -> Any:
    cluster, disks = FakeCluster(claims, existing), FakeDisks(failing)
    said = list(reconcile(cluster, disks))
    return cluster, disks, said


@pytest.mark.parametrize(
    ("quantity", "size"),
    [("1Gi", 2**30), ("500Mi", 500 * 2**20), ("0.5Gi", 2**29), ("5G", 5 * 10**9), ("1024", 1024), ("1.5k", 1500)],
)
def test_sizes(quantity: str, size: int) -> None:
    assert size_bytes(quantity) == size


@pytest.mark.parametrize("quantity", ["Gi", "", "10GB", "10 Gi"])
def test_what_is_no_size_is_refused(quantity: str) -> None:
    with pytest.raises(ValueError, match="is no size; write for instance 10Gi"):
        size_bytes(quantity)


def test_a_pending_claim_gets_a_volume_that_only_it_can_bind() -> None:
    cluster, disks, said = run([claim()], [])
    assert disks.calls == [("provide", "pvc-uid-data", 2**30)]
    spec = cluster.created[0]["spec"]
    assert spec["claimRef"]["uid"] == "uid-data"
    assert spec["local"]["path"] == "/disks/pvc-uid-data/data"
    assert spec["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"][0]["values"] == ["sandbox"]
    assert said == ["monitoring/data: a disk of 1Gi"]


def test_a_claim_that_no_pod_uses_yet_waits() -> None:
    waiting = claim()
    waiting["metadata"]["annotations"] = {}
    assert run([waiting], [])[1].calls == []


def test_a_claim_for_another_provisioner_is_left_alone() -> None:
    theirs = claim()
    theirs["metadata"]["annotations"]["volume.kubernetes.io/storage-provisioner"] = "ebs.csi.aws.com"
    assert run([theirs], [])[1].calls == []


def test_a_tiny_claim_gets_the_smallest_disk_there_is() -> None:
    cluster, disks, _ = run([claim(resources={"requests": {"storage": "10Mi"}})], [])
    assert disks.calls[0][2] == 300 * 2**20
    assert cluster.created[0]["spec"]["capacity"]["storage"] == "300Mi"


def test_a_claim_that_wants_more_grows_disk_volume_and_status() -> None:
    cluster, disks, _ = run([bound(has="1Gi", wants="2Gi")], [volume()])
    assert disks.calls == [("grow", "pvc-uid-data", 2 * 2**30)]
    assert cluster.patched == {
        "/api/v1/persistentvolumes/pvc-uid-data": {"spec": {"capacity": {"storage": "2Gi"}}},
        "/api/v1/namespaces/monitoring/persistentvolumeclaims/data/status": {
            "status": {"capacity": {"storage": "2Gi"}, "conditions": None}
        },
    }


def test_nothing_is_done_to_a_claim_that_has_what_it_wants() -> None:
    cluster, disks, said = run([bound(has="1Gi", wants="1Gi")], [volume()])
    assert (disks.calls, cluster.patched, said) == ([], {}, [])


def test_a_released_volume_goes_with_its_disk() -> None:
    cluster, disks, _ = run([], [volume(phase="Released")])
    assert disks.calls == [("remove", "pvc-uid-data", 0)]
    assert cluster.deleted == ["/api/v1/persistentvolumes/pvc-uid-data"]


def test_somebody_elses_released_volume_stays() -> None:
    assert run([], [volume(phase="Released", by="ebs.csi.aws.com")])[0].deleted == []


def test_one_failure_is_told_and_does_not_hold_up_the_next_claim() -> None:
    cluster, _, said = run([claim("first"), claim("second")], [], failing="pvc-uid-first")
    assert [made["metadata"]["name"] for made in cluster.created] == ["pvc-uid-second"]
    assert said[0] == "monitoring/first: no space left"


def test_volume_names_follow_the_claims_identity_not_its_name() -> None:
    again = claim()
    again["metadata"]["uid"] = "another"
    assert volumes.volume_name(again) != volumes.volume_name(claim())
