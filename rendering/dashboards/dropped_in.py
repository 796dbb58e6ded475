"""Dashboards that teams drop into `configs/grafana/dashboards/<folder>/<uid>.json`."""

import json
from collections.abc import Collection
from pathlib import Path

from rendering.dashboards.board import navigation, tags_of
from rendering.dashboards.gates import problems
from rendering.datasources import Folder


class DashboardError(ValueError):
    """A dashboard file that must not be deployed; the message names the file and each thing to mend."""


def read(directory: Path, *, taken: Collection[str] = ()) -> dict[Folder, dict[str, str]]:
    """The dashboards' texts by folder and uid, with the tags and links that put them into the menus of all others.

    None when the directory is not there.

    taken: uids that are in use already. Raises DashboardError for a file in a folder that does not exist, one that is
    not JSON, whose uid is not its name or is taken, or that fails the gates.
    """
    found: dict[Folder, dict[str, str]] = {}
    seen = set(taken)
    for path in sorted(directory.glob("*/*.json")):
        folder = _folder(path)
        found.setdefault(folder, {})[path.stem] = _text(path, folder, seen)
        seen.add(path.stem)
    return found


def _folder(path: Path) -> Folder:
    for folder in Folder:
        if folder.slug == path.parent.name:
            return folder
    raise DashboardError(f"{path}: no folder '{path.parent.name}'; move it to one of {[each.slug for each in Folder]}")


def _text(path: Path, folder: Folder, taken: Collection[str]) -> str:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise DashboardError(f"{path}: not valid JSON: {error}") from error
    found = [f"uid is '{document.get('uid')}'; write '{path.stem}'"] if document.get("uid") != path.stem else []
    found += [f"uid '{path.stem}' is taken; rename the file and the uid"] if path.stem in taken else []
    found += problems(document)
    if found:
        raise DashboardError("\n".join(f"{path}: {line}" for line in found))
    document["tags"] = tags_of(folder, document.get("tags") or [])
    document["links"] = [*navigation(path.stem), *(document.get("links") or [])]
    return json.dumps(document, separators=(",", ":"), sort_keys=True) + "\n"
