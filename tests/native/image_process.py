"""A program out of the root filesystem that the sandbox's image of it has: it sees nothing else, as in a pod."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox import paths
from sandbox.toolchain.images import rootfs

START_SECONDS = 30.0
_CHROOT = shutil.which("chroot") or "/usr/sbin/chroot"  # PATH is for the programs in there
_DEVICES = {"null": (1, 3), "zero": (1, 5), "urandom": (1, 9)}


@contextmanager
def image_root(base: str) -> Iterator[Path]:
    """The root filesystem `base` of bases.yaml, unpacked; a test may put files into it. Making it needs root."""
    with tempfile.TemporaryDirectory(dir=paths.cache_dir(), prefix=f"{base}-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        subprocess.run(
            ["tar", "-xf", rootfs.layer(base), "-C", root, "--numeric-owner", "--same-permissions"], check=True
        )
        (root / "tmp").mkdir(mode=0o1777, exist_ok=True)
        (root / "tmp").chmod(0o1777)
        (root / "dev").mkdir(exist_ok=True)
        for name, (major, minor) in _DEVICES.items():
            os.mknod(root / "dev" / name, 0o20666, os.makedev(major, minor))
            (root / "dev" / name).chmod(0o666)
        yield root


@contextmanager
def running_in(root: Path, user: int, *argv: str, port: int) -> "Iterator[subprocess.Popen[bytes]]":
    """The program, once it listens on loopback at `port`; AssertionError with what it said when it does not."""
    log = root / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [_CHROOT, f"--userspec={user}:{user}", root, *argv], env={}, stdout=output, stderr=output
        ) as process,
    ):
        try:
            _wait(process, port, log)
            yield process
        finally:
            process.kill()


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"nothing listened on {port} within {START_SECONDS:.0f} s:\n{log.read_text()[-3000:]}")
