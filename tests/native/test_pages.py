"""What the pages and workflows hold is what promtool, Loki, PostgreSQL, bash, the tools and actionlint accept.

The commands are run end to end (tests/pages.py says where); here they are only read.
"""

import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from sandbox.paths import repo_root
from sandbox.toolchain import binary
from tests import page_commands
from tests.native.loki_process import LokiClient, running_loki
from tests.native.postgresql_process import running_postgresql
from tests.pages import MAY_BE_EMPTY, RUNBOOKS, TYPED_BY, Block, blocks, inline_commands

PLACEHOLDER = re.compile(r"(?<!\?P)<[a-zA-Z][\w ,.-]*>")  # not the group of a regular expression

HAS_HELP = re.compile(r"(kubectl|pulumi|promtool|logcli|amtool) \S")


def read(text: str) -> str:
    """With something in place of `<service>` and the like."""
    return PLACEHOLDER.sub("some-name", text)


def snippets(first_key: str) -> list[dict[str, Any]]:
    """The YAML of all pages that begins with this key."""
    found: list[dict[str, Any]] = [yaml.safe_load(block.text) for block in blocks("yaml")]
    return [each for each in found if next(iter(each)) == first_key]


@pytest.fixture(scope="module")
def loki(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LokiClient]:
    with running_loki(tmp_path_factory.mktemp("loki")) as client:
        yield client


def test_every_promql_query_parses(tmp_path: Path) -> None:
    found = blocks("promql")
    assert len(found) > len(RUNBOOKS)
    queries = [read(each.text) for each in found] + [block["expr"] for block in snippets("expr")]
    assert len(queries) > len(found)
    rules = [{"record": f"page:query_{number}:value", "expr": query} for number, query in enumerate(queries)]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "pages", "rules": rules}]}), encoding="utf-8")

    done = subprocess.run([binary("promtool"), "check", "rules", path], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(queries)} rules found" in done.stdout


def test_there_are_logql_queries_in_docs_and_runbooks() -> None:
    assert len(blocks("logql", *RUNBOOKS)) >= 20
    assert len(blocks("logql")) - len(blocks("logql", *RUNBOOKS)) >= 8


@pytest.mark.parametrize("block", blocks("logql"), ids=str)
def test_loki_accepts_every_logql_query(loki: LokiClient, block: Block) -> None:
    end = time.time_ns()
    window: dict[str, str | int] = {"query": read(block.text), "start": end - 3600 * 10**9, "end": end}

    answer = httpx.get(f"{loki.url}/loki/api/v1/query_range", params=window, timeout=30)

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("block", blocks("sh"), ids=str)
def test_every_shell_block_is_one(block: Block) -> None:
    done = subprocess.run(["bash", "-n"], input=read(block.text), capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_every_block_that_is_marked_is_typed_by_who_the_mark_says() -> None:
    for block in blocks("sh"):
        marks = set(block.marks) - set(block.expected)
        assert marks <= TYPED_BY.keys(), f"{block}: nobody types what is marked {block.marks}"
    for block in (*blocks("promql"), *blocks("logql")):
        assert set(block.marks) - set(block.expected) <= {MAY_BE_EMPTY}, f"{block}: nobody knows {block.marks}"
    commands = [
        line.split("#")[0].strip() for block in blocks("sh") if "ci" in block.marks for line in block.text.splitlines()
    ]
    ci = (repo_root() / ".ci" / "run").read_text().splitlines()
    assert commands == ["make test"]
    assert any(line.startswith("make test ") for line in ci)


def test_every_command_in_running_text_has_its_place() -> None:
    assert page_commands.without_a_place() == []


def first_command(line: str) -> list[str]:
    """The words of the first command of a line: up to a pipe, a redirection, a comment."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = []
    for word in lexer:
        if set(word) <= set("|<>&;()"):
            break
        words.append(word)
    return words


def asking_for_help(words: list[str]) -> list[str]:
    """The same command with --help: it reads its flags, refuses those it does not have, and does nothing."""
    own = words.index("--") if "--" in words else len(words)
    return [str(binary(words[0])), *words[1:own], "--help"]


def lines_not_run() -> list[str]:
    """Commands that are on a page and not in a block that is run."""
    unrun = [block for block in blocks("sh") if not block.is_run]
    in_blocks = [line for block in unrun for line in block.text.replace("\\\n", " ").splitlines()]
    return [
        text for text in dict.fromkeys([*in_blocks, *(text for _, text in inline_commands())]) if HAS_HELP.match(text)
    ]


@pytest.mark.parametrize("line", lines_not_run())
def test_a_command_that_is_not_run_has_the_flags_it_is_given(line: str) -> None:
    done = subprocess.run(asking_for_help(first_command(read(line))), capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "unknown" not in done.stderr


def test_postgresql_takes_the_sql_of_every_page() -> None:
    with running_postgresql() as server:
        for statement in ("DROP DATABASE grafana", "DROP ROLE grafana"):  # an operations page makes its own
            server.sql(statement, "postgres")
        for block in blocks("sql"):
            for statement in block.text.splitlines():
                server.sql(statement, "postgres")
        owners = server.sql(
            "SELECT datname, rolname FROM pg_database JOIN pg_roles ON datdba = pg_roles.oid WHERE rolname = 'grafana'",
            "postgres",
        )
        members = "SELECT 1 FROM pg_auth_members WHERE member = 'observability'::regrole"
        assert owners == ["grafana|grafana"]
        assert server.sql(members, "postgres") == ["1"]


def test_workflows_pass_actionlint(tmp_path: Path) -> None:
    """Those of the repository, and what a page shows of a service's own."""
    workflows = sorted((repo_root() / ".github" / "workflows").glob("*.yml"))
    assert workflows
    [shown] = snippets("jobs")
    workflows.append(tmp_path / "shown.yml")
    workflows[-1].write_text(f"on: push\n{yaml.safe_dump(shown)}")

    done = subprocess.run(
        [binary("actionlint"), *workflows], cwd=repo_root(), capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
