"""What pages show as YAML is what the program takes, and what they leave to other files stands there."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import settings
from rendering.declarations import load_platform, load_teams
from tests import page_commands
from tests.certificate import CERTIFICATE
from tests.pages import ROOT, Block, blocks
from tests.stack_files import PROJECT, config_of

CONFIGS = ROOT / "configs"
READ_ELSEWHERE = {
    "expr": "tests/native/test_pages.py: promtool",
    "jobs": "tests/native/test_pages.py: actionlint",
    "env": "tests/components/test_jaeger.py: with the ConfigMap it reads",
    "cluster": "tests/native/span_store_process.py: as a role of Elasticsearch",
    "apiVersion": "eksctl alone: there is no AWS account here",
}
"""By its first key."""

Document = dict[str, Any]


def merged(below: Any, above: Any) -> Any:
    """`above` laid over `below`; entries of a list with the same name are one."""
    if isinstance(below, dict) and isinstance(above, dict):
        return {**below, **{key: merged(below.get(key), value) for key, value in above.items()}}
    if isinstance(below, list) and isinstance(above, list) and all(isinstance(each, dict) for each in [*below, *above]):
        named = {each["name"]: each for each in below}
        for each in above:
            named[each["name"]] = merged(named.get(each["name"]), each)
        return list(named.values())
    return above


def read_as_settings(document: Document) -> None:
    values = merged(copy.deepcopy(dict(config_of("sandbox"))), document)
    database = values[f"{PROJECT}:grafana"].get("database")
    if database:
        assert database["ca"].startswith("-----BEGIN CERTIFICATE-----")
        database["ca"] = CERTIFICATE  # a page shows its first line only
    prefix = f"{PROJECT}:"
    settings.parse({key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)})


def read_as_declaration(name: str, document: Document, folder: Path) -> None:
    path = folder / name
    path.write_text(yaml.safe_dump(merged(yaml.safe_load((CONFIGS / name).read_text()), document)))
    if name == "services.yaml":
        load_platform(path)
    else:
        load_teams(path)


def read_as_container(document: Document) -> None:
    """The ConfigMap is the one that the stack makes."""
    assert document.keys() == {"envFrom", "env"}
    assert document["envFrom"] == [{"configMapRef": {"name": "opentelemetry"}}]
    assert 'metadata("opentelemetry"' in (ROOT / "components" / "jaeger.py").read_text()
    assert [variable["name"] for variable in document["env"]] == ["OTEL_SERVICE_NAME"]


def read(document: Document, folder: Path) -> None:
    first = next(iter(document))
    if first.startswith(f"{PROJECT}:"):
        read_as_settings(document)
    elif first in ("services", "teams"):
        read_as_declaration(f"{first}.yaml", document, folder)
    elif first == "envFrom":
        read_as_container(document)
    else:
        assert first in READ_ELSEWHERE, f"nobody reads a snippet that begins with {first}"


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_yaml_is_what_the_program_takes(block: Block, tmp_path: Path) -> None:
    read(yaml.safe_load(block.text), tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "observability-stack:jaeger: { tail_sampling: { portion: 0.1 } }",
        "services: [{ name: billing-service, port: 3009, team: platform, tier: gold, sampling_share: 0.5 }]",
        "teams: [{ name: platform, mail: a@dharma.example }]",
        "envFrom: [{ configMapRef: { name: opentelemetry-sdk } }]\nenv: [{ name: OTEL_SERVICE_NAME, value: x }]",
        "something: else",
    ],
)
def test_a_snippet_that_is_wrong_is_noticed(text: str, tmp_path: Path) -> None:
    with pytest.raises((ValueError, AssertionError)):
        read(yaml.safe_load(text), tmp_path)


def lines_of(place: str) -> list[str]:
    """Of a page, what its blocks type; of any other file, all."""
    path = ROOT / place
    texts = [block.text for block in blocks("sh", path)] if path.suffix == ".md" else [path.read_text()]
    return [line for text in texts for line in text.replace("\\\n", " ").splitlines()]


def test_every_command_that_is_left_to_another_file_stands_there() -> None:
    """What tests/simulated/test_account.py types it takes from the pages, and looks itself whether it was all."""
    places = {*page_commands.ELSEWHERE.values()} - {page_commands.ACCOUNT}
    left = [(place, command) for place in places for command in page_commands.said_to_be_in(place)]

    assert len(left) >= len(places)
    assert [each for each in left if not page_commands.stands_in(each[1], lines_of(each[0]))] == []


@pytest.mark.parametrize(
    ("command", "line", "stands"),
    [
        ("python -m sandbox down", "\t@$(BIN)/python -m sandbox down", True),
        ("python -m sandbox down", "\t@$(BIN)/python -m sandbox up", False),
        ("pulumi login s3://<bucket>?region=<region>", "pulumi login 's3://dharma?region=us-east-1'", True),
        ("pulumi up --refresh", "pulumi up --stack prod --skip-preview", False),
        ("pulumi up --refresh", "pulumi up --stack prod --refresh", True),
        ("make test", "make test-full", False),
    ],
)
def test_a_command_stands_in_a_line_that_types_it(command: str, line: str, stands: bool) -> None:
    assert page_commands.stands_in(command, [line]) == stands


def test_every_reason_not_to_type_a_command_is_needed() -> None:
    patterns = (*page_commands.ELSEWHERE, *page_commands.NOT_TYPED)

    assert [pattern for pattern in patterns if not page_commands.fitting(pattern)] == []
