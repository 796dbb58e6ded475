"""Native configuration files as parsed documents: deploy-time values laid over them, and the text they become again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]


def load(path: Path) -> Document:
    """The mapping that the YAML (or JSON) file at `path` holds.

    Raises ValueError, naming the file, when it does not parse or is not a mapping.
    """
    return load_text(path.read_text(encoding="utf-8"), str(path))


def load_text(text: str, name: str = "the document") -> Document:
    """The mapping that `text` is; `name` stands for it in the message of the ValueError when it is none."""
    try:
        document = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"{name} is not valid YAML: {error}") from error
    if not isinstance(document, dict):
        raise ValueError(f"{name} holds a {type(document).__name__}; a mapping is needed")
    return document


def overlay(base: Mapping[str, Any], changes: Mapping[str, Any]) -> Document:
    """A new document: `base` with `changes` laid over it.

    Mappings are merged key by key; everything else, lists included, is replaced. Neither argument is changed.
    """
    merged = dict(base)
    for key, value in changes.items():
        present = merged.get(key)
        both_mappings = isinstance(present, Mapping) and isinstance(value, Mapping)
        merged[key] = overlay(present, value) if both_mappings else value  # type: ignore[arg-type]
    return merged


class _PlainDumper(yaml.CSafeDumper):
    """Writes shared parts out in full: an anchor in a tool's file is one more thing to look up for a reader."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (the base class names it)
        return True


def _text(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    """Several lines as a block: queries and templates are read by people, in the cluster and in previews."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_PlainDumper.add_representer(str, _text)


def dump(document: Mapping[str, Any]) -> str:
    """`document` as YAML, in its own order, the same text for the same document."""
    return yaml.dump(dict(document), Dumper=_PlainDumper, sort_keys=False, width=120, allow_unicode=True)
