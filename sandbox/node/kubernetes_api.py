"""A long-lived connection to the API server for the volume provisioner; everything else uses kubectl."""

import base64
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import httpx
import yaml

Object = dict[str, Any]
_MERGE = {"Content-Type": "application/merge-patch+json"}


class Objects(Protocol):
    """What a controller needs of a cluster. Objects go by their REST path, such as `/api/v1/persistentvolumes`."""

    def list(self, path: str) -> list[Object]:
        """All objects of a collection, possibly a moment old."""

    def create(self, path: str, body: Object) -> None:
        """Creates the object; one of that name that exists already is left as it is."""

    def patch(self, path: str, body: Object) -> None:
        """Merges `body` into the object."""

    def delete(self, path: str) -> None:
        """Deletes the object; one that is gone already is no error."""


class Api:
    """Objects of the cluster that a kubeconfig names. All methods raise httpx.HTTPError."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        with tempfile.TemporaryDirectory() as folder:
            authority = _file(cluster, "certificate-authority", Path(folder) / "ca")
            context = ssl.create_default_context(cafile=authority)
            context.load_cert_chain(
                _file(user, "client-certificate", Path(folder) / "cert"),
                _file(user, "client-key", Path(folder) / "key"),
            )
        self._http = httpx.Client(base_url=cluster["server"], verify=context, timeout=10, trust_env=False)

    def list(self, path: str) -> list[Object]:
        items: list[Object] = self._sent("GET", path, params={"resourceVersion": "0"})["items"]
        return items

    def create(self, path: str, body: Object) -> None:
        answer = self._http.post(path, json=body)
        if answer.status_code != httpx.codes.CONFLICT:
            answer.raise_for_status()

    def patch(self, path: str, body: Object) -> None:
        self._sent("PATCH", path, json=body, headers=_MERGE)

    def delete(self, path: str) -> None:
        answer = self._http.delete(path)
        if answer.status_code != httpx.codes.NOT_FOUND:
            answer.raise_for_status()

    def _sent(self, method: str, path: str, **extra: Any) -> Object:
        answer = self._http.request(method, path, **extra)
        answer.raise_for_status()
        result: Object = answer.json()
        return result


def _file(entry: Mapping[str, str], key: str, target: Path) -> Path:
    """kubeadm embeds certificates as base64, kwokctl names files."""
    if key in entry:
        return Path(entry[key])
    target.write_bytes(base64.b64decode(entry[f"{key}-data"]))
    return target
