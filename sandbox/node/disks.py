"""Disks of a bounded size: sparse files with an XFS file system, mounted through loop devices.

A disk that is full is full, and the kubelet reports its use, as with a cloud's disk. XFS, because growing a mounted
ext4 wants a privilege (CAP_SYS_RESOURCE) that root does not have in every virtual machine.
"""

import json
import os
from pathlib import Path
from typing import Protocol

from sandbox.node import layout
from sandbox.node.commands import attempt, run

# Pods get this folder of the disk. It is missing while the disk is not mounted, so nothing is ever written beside it.
_DATA = "data"


class Disks(Protocol):
    """Where a claim's data are; `name` is the volume's."""

    def provide(self, name: str, size_bytes: int) -> Path:
        """Makes the disk unless it exists and returns the folder for the pod."""

    def grow(self, name: str, size_bytes: int) -> None:
        """Makes the disk larger, in use or not; one that is large enough is left alone."""

    def remove(self, name: str) -> None:
        """Removes disk and data; what is gone already is no error."""


class LoopDisks:
    """One file and one mount point per disk, in the node's state folder."""

    def provide(self, name: str, size_bytes: int) -> Path:
        image, mount_point = _image(name), _mount_point(name)
        if not image.exists():
            image.parent.mkdir(parents=True, exist_ok=True)
            # Formatted under another name first: a file that exists is a disk that can be mounted.
            draft = image.with_suffix(".draft")
            draft.unlink(missing_ok=True)
            _resize(draft, size_bytes)
            run("mkfs.xfs", "-q", draft)
            draft.rename(image)
        self.mount(name)
        (mount_point / _DATA).mkdir(exist_ok=True)
        return mount_point / _DATA

    def mount(self, name: str) -> None:
        mount_point = _mount_point(name)
        if not mount_point.is_mount():
            mount_point.mkdir(parents=True, exist_ok=True)
            # discard gives the space of deleted files back to the machine.
            run("mount", "-o", "loop,discard", _image(name), mount_point)

    def grow(self, name: str, size_bytes: int) -> None:
        image = _image(name)
        if image.stat().st_size >= size_bytes:
            return
        _resize(image, size_bytes)
        self.mount(name)
        run("losetup", "--set-capacity", _loop_device(image))
        run("xfs_growfs", _mount_point(name))

    def remove(self, name: str) -> None:
        mount_point, image = _mount_point(name), _image(name)
        if mount_point.is_mount():
            run("umount", mount_point)
        image.unlink(missing_ok=True)
        if mount_point.exists():
            mount_point.rmdir()


class NoDisks:
    """For the simulated node: volumes are bound, but no pod ever looks inside."""

    def provide(self, name: str, size_bytes: int) -> Path:  # noqa: ARG002
        return Path("/simulated") / name

    def grow(self, name: str, size_bytes: int) -> None:
        pass

    def remove(self, name: str) -> None:
        pass


def mount_all() -> None:
    """Mounts every disk there is: after a reboot, before the kubelet looks for them."""
    for image in sorted(layout.volumes_dir().glob("*.img")):
        LoopDisks().mount(image.stem)


def loop_devices() -> list[str]:
    """The loop devices that play the node's disks."""
    listed = json.loads(attempt("losetup", "--list", "--json") or '{"loopdevices": []}')
    ours = str(layout.volumes_dir())
    return [entry["name"] for entry in listed["loopdevices"] if str(entry["back-file"]).startswith(ours)]


def _loop_device(image: Path) -> str:
    return run("losetup", "--noheadings", "--output", "NAME", "--associated", image).split()[0]


def _resize(file: Path, size_bytes: int) -> None:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.truncate(descriptor, size_bytes)
    finally:
        os.close(descriptor)


def _image(name: str) -> Path:
    return layout.volumes_dir() / f"{name}.img"


def _mount_point(name: str) -> Path:
    return layout.volumes_dir() / name
