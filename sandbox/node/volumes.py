"""The provisioner of the sandbox's volumes: `python -m sandbox.node.volumes KUBECONFIG real|simulated`.

It gives each pending claim a disk and a `local` volume bound to it, makes disks grow with their claims and removes them
when a claim is gone. The CSI drivers that do the same on one machine are not served as Go modules, need LVM, or (the
host-path driver) do not bound the size. Everything it does can be done again: it
remembers nothing beside cluster and disks.
"""

import re
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import httpx

from sandbox.errors import SandboxError
from sandbox.node import layout
from sandbox.node.disks import Disks, LoopDisks, NoDisks
from sandbox.node.kubernetes_api import Api, Object, Objects

_CLAIMS = "/api/v1/persistentvolumeclaims"
_VOLUMES = "/api/v1/persistentvolumes"
_SELECTED_NODE = "volume.kubernetes.io/selected-node"
_ASKED_OF = "volume.kubernetes.io/storage-provisioner"
_PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
_PERIOD_SECONDS = 1.0
# XFS is not made smaller; a claim may ask for less and gets this.
_SMALLEST = "300Mi"
_POWERS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_POWERS |= {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}


def reconcile(api: Objects, disks: Disks) -> Iterator[str]:
    """One round over all claims and volumes that are ours; yields a line for each thing done or failed."""
    claims = [claim for claim in api.list(_CLAIMS) if _annotations(claim).get(_ASKED_OF) == layout.PROVISIONER]
    ours = [volume for volume in api.list(_VOLUMES) if _annotations(volume).get(_PROVISIONED_BY) == layout.PROVISIONER]
    volumes = {volume["metadata"]["name"]: volume for volume in ours}
    for claim in claims:
        volume = volumes.get(volume_name(claim))
        try:
            if volume is None:
                yield from _provision(api, disks, claim)
            else:
                yield from _grow(api, disks, claim, volume)
        except (SandboxError, httpx.HTTPError) as error:
            yield f"{_title(claim)}: {error}"
    for name, volume in volumes.items():
        if volume.get("status", {}).get("phase") != "Released":
            continue
        try:
            disks.remove(name)
            api.delete(f"{_VOLUMES}/{name}")
            yield f"{name}: removed, its claim is gone"
        except (SandboxError, httpx.HTTPError) as error:
            yield f"{name}: {error}"


def size_bytes(quantity: str) -> int:
    """A Kubernetes quantity such as `10Gi` in bytes, rounded up. Raises ValueError for what is none."""
    parts = re.fullmatch(r"(\d+(?:\.\d+)?)([kMGTP]|[KMGTP]i)?", quantity)
    if parts is None:
        raise ValueError(f"{quantity} is no size; write for instance 10Gi")
    exact = Decimal(parts[1]) * _POWERS[parts[2] or ""]
    return int(exact.to_integral_value(rounding="ROUND_CEILING"))


def volume_name(claim: Object) -> str:
    """Every claim has a volume name of its own, so a disk is never handed to the wrong one."""
    return f"pvc-{claim['metadata']['uid']}"


def volume_for(claim: Object, path: Path) -> Object:
    """The volume that only this claim can bind, on the node that the scheduler chose."""
    node = _annotations(claim)[_SELECTED_NODE]
    reference = {key: claim["metadata"][key] for key in ("name", "namespace", "uid")}
    terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": volume_name(claim), "annotations": {_PROVISIONED_BY: layout.PROVISIONER}},
        "spec": {
            "storageClassName": claim["spec"]["storageClassName"],
            "capacity": {"storage": _capacity(claim)},
            "accessModes": claim["spec"]["accessModes"],
            "volumeMode": "Filesystem",
            "persistentVolumeReclaimPolicy": "Delete",
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **reference},
            "local": {"path": str(path)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
        },
    }


def _provision(api: Objects, disks: Disks, claim: Object) -> Iterator[str]:
    chosen = _SELECTED_NODE in _annotations(claim)
    if not chosen or claim["spec"].get("volumeName") or "deletionTimestamp" in claim["metadata"]:
        return
    path = disks.provide(volume_name(claim), size_bytes(_capacity(claim)))
    api.create(_VOLUMES, volume_for(claim, path))
    yield f"{_title(claim)}: a disk of {_capacity(claim)}"


def _grow(api: Objects, disks: Disks, claim: Object, volume: Object) -> Iterator[str]:
    """First the disk, then what the cluster believes of it."""
    wanted = _requested(claim)
    told = claim.get("status", {}).get("capacity", {}).get("storage")
    if told is None or size_bytes(wanted) <= size_bytes(told):
        return
    disks.grow(volume_name(claim), size_bytes(wanted))
    if size_bytes(volume["spec"]["capacity"]["storage"]) < size_bytes(wanted):
        api.patch(f"{_VOLUMES}/{volume_name(claim)}", {"spec": {"capacity": {"storage": wanted}}})
    home = f"/api/v1/namespaces/{claim['metadata']['namespace']}/persistentvolumeclaims/{claim['metadata']['name']}"
    api.patch(f"{home}/status", {"status": {"capacity": {"storage": wanted}, "conditions": None}})
    yield f"{_title(claim)}: grown from {told} to {wanted}"


def _requested(claim: Object) -> str:
    quantity: str = claim["spec"]["resources"]["requests"]["storage"]
    return quantity


def _capacity(claim: Object) -> str:
    return max(_requested(claim), _SMALLEST, key=size_bytes)


def _annotations(thing: Object) -> dict[str, str]:
    return thing["metadata"].get("annotations") or {}


def _title(claim: Object) -> str:
    return f"{claim['metadata']['namespace']}/{claim['metadata']['name']}"


def main() -> None:
    kubeconfig, kind = sys.argv[1:]
    disks: Disks = LoopDisks() if kind == "real" else NoDisks()
    api = Api(Path(kubeconfig))
    last = ""
    while True:
        try:
            for line in reconcile(api, disks):
                if line != last:  # what fails every second is said once
                    print(line, flush=True)
                last = line
        except httpx.HTTPError as error:
            print(f"the API server does not answer: {error}", flush=True)
            time.sleep(2)
        time.sleep(_PERIOD_SECONDS)


if __name__ == "__main__":
    main()
