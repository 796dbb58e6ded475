"""Container images under production's own names, from the toolchain's programs: no container engine, no registry.

ensure(refs) gives one OCI archive per reference, ensure_local(...) wraps a program that is built in this repository.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sandbox import paths
from sandbox.errors import SandboxError
from sandbox.toolchain import builder, cache
from sandbox.toolchain.images import archive, layers, rootfs, static
from sandbox.toolchain.images.table import Image, table, versions

__all__ = ["ensure", "ensure_local", "table", "versions"]

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def ensure(refs: Iterable[str]) -> dict[str, Path]:
    """An OCI archive for each reference, made where it is missing (as are the programs in it).

    Raises SandboxError for a reference that the table lacks, naming it.
    """
    wanted = sorted(set(refs))
    if unknown := [ref for ref in wanted if ref not in table()]:
        raise SandboxError(
            f"no image {', '.join(unknown)}; add it to configs/versions.yaml and sandbox/toolchain/images.yaml"
        )
    builder.ensure(name for ref in wanted for name in table()[ref].programs)
    return {ref: _made(ref, table()[ref]) for ref in wanted}


def ensure_local(
    ref: str, binary: Path, base: str = "debian", *, user: str = "65532", program_path: str = "/usr/local/bin"
) -> Path:
    """An OCI archive of one executable on a root filesystem of bases.yaml; a changed executable gives a new one."""
    at = f"{program_path}/{binary.name}"
    files = [layers.File(path=at, source=binary, mode=0o755)]
    image = Image(base=base, user=user, entrypoint=(at,))
    return _archive(ref, image, files, layers.digest(binary))


def _made(ref: str, image: Image) -> Path:
    found = builder.ensure(image.programs)
    local = {name: builder.local(name) for name in image.local}
    sources = [cache.identity(name, path) for name, path in found.items()]
    sources += [layers.digest(path) for path in local.values()]
    return _archive(ref, image, static.files(image, found, local), "".join(sources))


def _archive(ref: str, image: Image, files: list[layers.File], sources: str) -> Path:
    bottom = [rootfs.layer(image.base)] if image.base else []
    recipe = json.dumps([image.model_dump(mode="json"), sources, [path.name for path in bottom], static.RECIPE])
    name = re.sub(r"[^a-z0-9.]+", "-", ref)
    target = paths.cache_dir() / "images" / f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}.tar"
    if not target.exists():
        print(f"image {ref}", flush=True)
        top = target.with_suffix(".layer")
        try:
            if files:
                layers.from_files(top, files)
            archive.write(target, ref, [*bottom, *([top] if files else [])], _config(image))
        finally:
            top.unlink(missing_ok=True)
        for old in target.parent.glob(f"{name}-????????????.tar"):
            if old != target:
                old.unlink()
    return target


def _config(image: Image) -> dict[str, Any]:
    environment = {"PATH": _PATH} | static.environment(image) | image.environment
    config: dict[str, Any] = {
        "User": image.user,
        "Env": [f"{name}={value}" for name, value in environment.items()],
        "WorkingDir": image.working_dir,
    }
    if image.entrypoint:
        config["Entrypoint"] = list(image.entrypoint)
    if image.command:
        config["Cmd"] = list(image.command)
    return config
