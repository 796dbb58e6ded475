"""The benchmark of logs: what is written, and with which configurations it is read."""

import json
import re
from pathlib import Path
from typing import Any

from bench import log_lines
from bench.log_programs import default_document, moved_to, our_document, services, unlimited
from bench.logs import Run, Writer, compared

STAGES: list[dict[str, Any]] = [
    {"cri": {}},
    {"match": {"selector": '{a="b"}', "stages": [{"limit": {"rate": 1, "burst": 2, "by_label_name": "service"}}]}},
    {"match": {"selector": '{a="c"}', "stages": [{"limit": {"rate": 3, "burst": 3}}, {"cri": {}}]}},
]


def test_without_a_limit_no_stage_limits_and_no_match_is_empty() -> None:
    assert unlimited(STAGES) == [{"cri": {}}, {"match": {"selector": '{a="c"}', "stages": [{"cri": {}}]}}]


def test_the_stacks_own_pipeline_loses_its_limits_and_nothing_else(tmp_path: Path) -> None:
    [[limited], [free]] = [
        our_document(tmp_path, "http://loki", limit=limit)["scrape_configs"] for limit in (True, False)
    ]
    assert limited["static_configs"] == free["static_configs"]
    assert "'limit'" in str(limited)
    assert "'limit'" not in str(free)
    assert str(limited).count("'replace'") == str(free).count("'replace'") > 5


def test_every_service_has_a_file_of_its_own(tmp_path: Path) -> None:
    [scrape] = our_document(tmp_path, "http://loki", limit=True)["scrape_configs"]
    log_lines.write_files(tmp_path, services(), 1, newest_seconds=600, minutes=5)
    read = {Path(one["labels"]["__path__"]).name for one in scrape["static_configs"]}
    assert read == {file.name for file in tmp_path.glob("*.log")}


def test_paths_are_moved_and_what_only_looks_like_them_is_not() -> None:
    document = {"dir": "/loki/wal", "all": ["/loki", "/lokis", "http://loki:3100/loki/api"], "port": 3100}
    moved = {"dir": "/tmp/x/wal", "all": ["/tmp/x", "/lokis", "http://loki:3100/loki/api"], "port": 3100}  # noqa: S108
    assert moved_to(document, "/loki", "/tmp/x") == moved  # noqa: S108


def test_the_default_has_no_pipeline(tmp_path: Path) -> None:
    [scrape] = default_document(tmp_path, "http://loki")["scrape_configs"]
    assert "pipeline_stages" not in scrape


def test_files_hold_lines_of_json_in_the_form_of_containerd(tmp_path: Path) -> None:
    written = log_lines.write_files(tmp_path, services(), 300, newest_seconds=600, minutes=5)
    files = sorted(tmp_path.glob("*.log"))
    assert len(files) == len(services())
    lines = [line for file in files for line in file.read_text().splitlines()]
    parts = [re.fullmatch(r"(\S+Z) stdout F (\{.*\})", line) for line in lines]
    texts = [part[2] for part in parts if part]
    assert len(texts) == len(lines) == 300 * len(services())
    assert sum(map(len, texts)) == written
    assert {json.loads(text)["level"] for text in texts} == {"info", "warn", "error"}
    assert len({json.loads(text)["trace_id"] for text in texts}) == len(texts)


def test_every_line_that_is_written_has_a_name_and_one_service_writes_plain_text(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("first", "second", "last")}
    writer = Writer(files)
    written = [*writer.write(4), *writer.write(5)]
    assert len(set(written)) == 9
    assert all(f'"number":"{name}"' in files["first"].read_text() for name in written if name.startswith("first"))
    assert "{" not in files["last"].read_text()
    assert sum(len(file.read_text().splitlines()) for file in files.values()) == 9


def test_of_several_runs_the_median_is_told() -> None:
    runs = [Run(rate, rate / 4, 40.0, 100.0, 180_000) for rate in (9000.0, 30_000.0, 10_000.0)]
    told = compared(runs)
    assert told["lines_per_second"] == 10_000
    assert told["all_lines_per_second"] == [9000, 30_000, 10_000]
