"""Debian root filesystems as layers, made once: debootstrap for the first, packages added to a copy for the others."""

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox import commands, paths
from sandbox.errors import SandboxError
from sandbox.toolchain import debian, maven
from sandbox.toolchain.images import layers
from sandbox.toolchain.images.table import Base, bases

_RELEASE = "bookworm"
_FIRST = "debian"


def layer(name: str) -> Path:
    """The layer of a root filesystem of bases.yaml. Raises SandboxError without root or when Debian's tools fail."""
    base = bases()[name]
    target = layers_dir() / f"base-{name}-{_recipe(name, base)}.tar"
    if not target.exists():
        if base.static:
            layers.from_files(target, _busybox(base.static))
        else:
            print(f"root filesystem {name}: made once from Debian's packages, a minute or so", flush=True)
            _debian(name, base, target)
    return target


def layers_dir() -> Path:
    folder = paths.cache_dir() / "images" / "layers"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _recipe(name: str, base: Base) -> str:
    text = _RELEASE + _described(base)
    if name != _FIRST and not base.static:
        text += _described(bases()[_FIRST])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _described(base: Base) -> str:
    # What a base does not use is left out: a new field must not make all of them anew.
    return base.model_dump_json(exclude=None if base.commands else {"commands"})


def _busybox(package: str) -> list[layers.File]:
    # Unpacked, not installed: Debian lets a machine have only one of its busybox packages.
    folder = debian.unpacked(package)
    program = folder / "bin" / "busybox"
    applets = commands.run(program, "--list").split()
    links = [layers.File(path=f"/bin/{applet}", link="busybox") for applet in applets if applet != "busybox"]
    return [layers.File(path="/bin/busybox", source=program, mode=0o755), *links, *common_files()]


def common_files() -> list[layers.File]:
    """What every image without a root filesystem of its own has: users, a place for temporary files."""
    users = {0: "root", 65534: "nobody"}
    passwd = "".join(f"{name}:x:{number}:{number}:{name}:/:/sbin/nologin\n" for number, name in users.items())
    group = "".join(f"{name}:x:{number}:\n" for number, name in users.items())
    return [
        layers.File(path="/etc/passwd", content=passwd.encode()),
        layers.File(path="/etc/group", content=group.encode()),
        # Go asks the files before the DNS server, as everybody does, only when this says so.
        layers.File(path="/etc/nsswitch.conf", content=b"hosts: files dns\n"),
        layers.File(path="/tmp", mode=0o1777),  # noqa: S108 - a path in the image
    ]


def _debian(name: str, base: Base, target: Path) -> None:
    if os.geteuid() != 0:
        raise SandboxError("making the images needs root (a Debian root filesystem is unpacked); run as root")
    with tempfile.TemporaryDirectory(dir=paths.cache_dir(), prefix=f"rootfs-{name}-") as temporary:
        root = Path(temporary)
        root.chmod(0o755)
        if name == _FIRST:
            debian.ensure(["debootstrap"])
            include = f"--include={','.join(base.packages)}"
            _run(["debootstrap", "--variant=minbase", include, _RELEASE, str(root)], name)
        else:
            _run(["tar", "-xf", str(layer(_FIRST)), "-C", str(root), "--numeric-owner", "--same-permissions"], name)
            _customise(root, name, base)
        layers.from_tree(target, root)


def _customise(root: Path, name: str, base: Base) -> None:
    for folder in (
        "dev",
        "proc",
        "run",
        "sys",
        "tmp",
        "var/lib/apt/lists/partial",
        "var/cache/apt/archives/partial",
        "var/log",
        "usr/share/man/man1",  # Java's package links its manual pages there
    ):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    for path, content in base.files.items():
        (root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (root / path.lstrip("/")).write_text(content)
    # Packages must not start their services while they are installed here.
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    with _entered(root):
        for user, number in base.users.items():
            _chroot(root, name, "groupadd", "-g", str(number), user)
            _chroot(root, name, "useradd", "-u", str(number), "-g", user, "-M", "-d", f"/var/lib/{user}", user)
        _chroot(root, name, "apt-get", "-q", "update")
        _chroot(root, name, "apt-get", "-q", "install", "-y", "--no-install-recommends", *base.packages)
    policy.unlink()
    for coordinate, path in base.maven.items():
        maven.unpack(coordinate, root / path.lstrip("/"))
        owner = next(iter(base.users.values()), 0)
        unpacked = root / path.lstrip("/")
        for entry in (unpacked, *unpacked.rglob("*")):
            os.chown(entry, owner, owner)
    for command in base.commands:
        _chroot(root, name, "sh", "-c", command)


@contextmanager
def _entered(root: Path) -> Iterator[None]:
    """/proc and /dev as package scripts need them, gone again afterwards."""
    mounted: list[Path] = []
    try:
        for argv, at in ((["-t", "proc", "proc"], root / "proc"), (["--bind", "/dev"], root / "dev")):
            _run(["mount", *argv, str(at)], root.name)
            mounted.append(at)
        yield
    finally:
        for at in reversed(mounted):
            _run(["umount", "-l", str(at)], root.name)


def _chroot(root: Path, name: str, *argv: str) -> None:
    _run(["chroot", str(root), "env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", *argv], name)


def _run(argv: list[str], name: str) -> None:
    env = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-1500:]
        raise SandboxError(f"making the {name} root filesystem ({platform.machine()}) failed at {argv[0]}: {said}")
