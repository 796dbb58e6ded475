"""Writes an OCI image archive without a container engine."""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox.toolchain.images import layers
from sandbox.toolchain.images.safely import replacing

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def write(target: Path, ref: str, tars: Sequence[Path], config: Mapping[str, Any]) -> None:
    """An archive that `ctr images import` takes in under exactly the name `ref`.

    tars: layers, the lowest first. config: the OCI config's `config` (User, Entrypoint, Cmd, Env, WorkingDir).
    """
    digests = [layers.digest(path) for path in tars]
    architecture = _ARCHITECTURES.get(platform.machine(), platform.machine())
    image = _json(
        {
            "architecture": architecture,
            "os": "linux",
            "config": config,
            # Layers are not compressed, so a layer's digest and its diff id are one.
            "rootfs": {"type": "layers", "diff_ids": digests},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _descriptor("application/vnd.oci.image.config.v1+json", image),
            "layers": [
                {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": path.stat().st_size}
                for digest, path in zip(digests, tars, strict=True)
            ],
        }
    )
    described = _descriptor("application/vnd.oci.image.manifest.v1+json", manifest) | {
        "platform": {"architecture": architecture, "os": "linux"},
        "annotations": {
            "io.containerd.image.name": ref,
            "org.opencontainers.image.ref.name": ref.rpartition(":")[2],
        },
    }
    index = _json(
        {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [described]}
    )
    with replacing(target) as draft, tarfile.open(draft, "w") as tar:
        _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(tar, "index.json", index)
        for blob in (image, manifest):
            _add(tar, _blob_path(f"sha256:{hashlib.sha256(blob).hexdigest()}"), blob)
        for digest, path in dict(zip(digests, tars, strict=True)).items():
            info = tarfile.TarInfo(_blob_path(digest))
            info.size = path.stat().st_size
            with path.open("rb") as handle:
                tar.addfile(info, handle)


def _descriptor(media_type: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{hashlib.sha256(blob).hexdigest()}", "size": len(blob)}


def _blob_path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))
