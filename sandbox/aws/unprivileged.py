"""Programs that refuse to run as root: root's sandbox runs them as a user id of its own."""

import os
from pathlib import Path

_USER = 64920  # nobody's: no file of the machine belongs to it
# Root's home is closed to other users, so the process sees its folder here, in a mount namespace of its own.
_INSIDE = Path("/mnt")
_AS_USER = (
    'mount --bind "$1" /mnt && '
    'exec setpriv --reuid="$2" --regid="$2" --clear-groups --no-new-privs --bounding-set=-all "/mnt/$3"'
)


def command(name: str, folder: Path, program: str) -> list[str]:
    """What runs `folder`/`program` as a user that is not root, to whom all of `folder` then belongs."""
    if not _as_root():
        return [str(folder / program)]
    _hand_over(folder)
    unshare = ["unshare", "--mount", "--propagation", "private"]
    return [*unshare, "sh", "-c", _AS_USER, name, str(folder), str(_USER), program]


def seen(folder: Path) -> Path:
    """The folder as the process itself sees it."""
    return _INSIDE if _as_root() else folder


def _as_root() -> bool:
    return os.geteuid() == 0


def _hand_over(path: Path) -> None:
    """Makes everything under `path` the process's own."""
    for root, folders, files in os.walk(path):
        for name in (root, *(os.path.join(root, entry) for entry in (*folders, *files))):  # noqa: PTH118 - os.walk's
            os.chown(name, _USER, _USER, follow_symlinks=False)
