"""Documents: what is laid over what, and the text they become."""

from pathlib import Path

import pytest
import yaml

from rendering import documents


def test_mappings_are_merged_and_all_else_is_replaced() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    assert documents.overlay(base, {"a": {"c": [3]}, "e": 2}) == {"a": {"b": 1, "c": [3]}, "d": 1, "e": 2}


def test_neither_document_is_changed() -> None:
    base: dict[str, dict[str, int]] = {"a": {"b": 1}}
    merged = documents.overlay(base, {"a": {"c": 2}})
    merged["a"]["d"] = 3
    assert base == {"a": {"b": 1}}


def test_a_shared_part_is_written_out_each_time() -> None:
    shared = {"x": 1}
    text = documents.dump({"one": shared, "two": shared})
    assert "&" not in text
    assert yaml.safe_load(text) == {"one": {"x": 1}, "two": {"x": 1}}


def test_control_characters_survive_the_way_through_text() -> None:
    assert yaml.safe_load(documents.dump({"mark": "\x1f{{ .Value }}"}))["mark"] == "\x1f{{ .Value }}"


def test_what_is_no_mapping_is_refused_by_name(tmp_path: Path) -> None:
    broken = tmp_path / "list.yaml"
    broken.write_text("- 1\n")
    with pytest.raises(ValueError, match=r"list.yaml holds a list; a mapping is needed$"):
        documents.load(broken)
    broken.write_text("a: [\n")
    with pytest.raises(ValueError, match=r"list.yaml is not valid YAML"):
        documents.load(broken)
