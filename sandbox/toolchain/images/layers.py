"""Tar layers of an image, the same bytes for the same content."""

import hashlib
import io
import os
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sandbox.toolchain.images.safely import replacing

# What a root filesystem does not need at run time, by path or by its beginning.
_LEFT_OUT = (
    *(
        "dev/",
        "proc/",
        "sys/",
        "run/",
        "tmp/",
        "var/cache/apt/",
        "var/cache/debconf/",
        "var/lib/apt/lists/",
        "var/log/",
    ),
    *("usr/share/doc/", "usr/share/man/", "usr/share/locale/", "usr/share/info/", "usr/share/lintian/"),
)


@dataclass(frozen=True, kw_only=True)
class File:
    """One entry: a file with content from disk or memory, a symbolic link, or (neither) a directory."""

    path: str  # absolute, in the image
    source: Path | None = None
    content: bytes | None = None
    link: str = ""
    mode: int = 0o644


def from_files(target: Path, files: Iterable[File]) -> None:
    """Writes a layer of these entries, owned by root, with the directories above them."""
    with replacing(target) as draft, tarfile.open(draft, "w", format=tarfile.PAX_FORMAT) as tar:
        made: set[str] = set()
        for file in sorted(files, key=lambda each: each.path):
            for parent in reversed(PurePosixPath(file.path).parents):
                _directory(tar, str(parent), 0o755, made)
            if file.source is None and file.content is None and not file.link:
                _directory(tar, file.path, file.mode, made)
                continue
            info = tarfile.TarInfo(file.path.lstrip("/"))
            info.mode = file.mode
            if file.link:
                info.type, info.linkname = tarfile.SYMTYPE, file.link
                tar.addfile(info)
            elif file.source is not None:
                info.size = file.source.stat().st_size
                with file.source.open("rb") as handle:
                    tar.addfile(info, handle)
            else:
                info.size = len(file.content or b"")
                tar.addfile(info, io.BytesIO(file.content or b""))


def from_tree(target: Path, root: Path) -> None:
    """Writes a layer of a whole root filesystem, with its owners and modes, without what only its making needed."""
    with replacing(target) as draft, tarfile.open(draft, "w", format=tarfile.PAX_FORMAT) as tar:
        for folder, names, files in os.walk(root):
            names.sort()
            for name in sorted([*names, *files]):
                path = Path(folder) / name
                inside = path.relative_to(root).as_posix()
                if not inside.startswith(_LEFT_OUT):
                    tar.add(path, inside, recursive=False, filter=_timeless)


def under(source: Path, target: str) -> list[File]:
    """A folder's files as entries below the path `target`; executables keep their bit."""
    return [
        File(path=f"{target}/{path.relative_to(source).as_posix()}", source=path, mode=path.stat().st_mode & 0o777)
        for path in sorted(source.rglob("*"))
        if path.is_file()
    ]


def digest(path: Path) -> str:
    """The file's sha256 in the notation of image manifests."""
    with path.open("rb") as handle:
        return "sha256:" + hashlib.file_digest(handle, "sha256").hexdigest()


def _directory(tar: tarfile.TarFile, path: str, mode: int, made: set[str]) -> None:
    name = path.strip("/")
    if name and name not in made:
        made.add(name)
        info = tarfile.TarInfo(name)
        info.type, info.mode = tarfile.DIRTYPE, mode
        tar.addfile(info)


def _timeless(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    info.mtime = 0
    info.uname = info.gname = ""
    return None if info.type in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE) else info
