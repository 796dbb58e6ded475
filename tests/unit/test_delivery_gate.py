"""The gate as a pipeline calls it, between tools that play their part: whom it asks, what it changes, whom it tells."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from delivery import __main__ as command
from delivery import gate, options, telling, tracing
from delivery.errors import GateError
from rendering.dashboards.links import Uid
from tests.unit.delivery_tools import ARGUMENTS, NOW, SECRETS, Tools, play_cluster, rollouts, write


@pytest.fixture
def tools() -> Tools:
    return Tools()


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return play_cluster(tmp_path, monkeypatch)


@pytest.fixture(autouse=True)
def spans(monkeypatch: pytest.MonkeyPatch) -> Callable[[], tuple[ReadableSpan, ...]]:
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(tracing, "OTLPSpanExporter", lambda **_: exporter)
    return exporter.get_finished_spans


def run(tools: Tools, *more: str) -> dict[str, Any]:
    with tools.client() as http:
        return gate.run(options.parse([*ARGUMENTS, *more], SECRETS), http)


def told(tools: Tools) -> str:
    [message] = [body for _, url, body in tools.changed if url == SECRETS["SLACK_WEBHOOK_URL"]]
    return json.dumps(message)


def test_a_good_rollout_passes_and_is_told(
    tools: Tools, cluster: Path, spans: Callable[[], tuple[ReadableSpan, ...]]
) -> None:
    result = run(tools)

    assert (result["outcome"], result["exit_code"], result["environment"]) == ("passed", 0, "staging")
    assert rollouts(cluster) == []
    (_, made, mark), (_, updated, end), (_, hook, message) = tools.changed
    assert (made, updated) == ("http://grafana/api/annotations", "http://grafana/api/annotations/7")
    assert hook == "https://hooks.example/secret"
    assert mark["tags"] == ["deployment", "api-gateway"]
    assert end["tags"] == ["deployment", "api-gateway", "passed"]
    assert mark["time"] < end["timeEnd"]
    assert message["text"] == "*api-gateway (dharma, staging) revision 4: passed*"
    assert f"https://jaeger.example/trace/{result['trace_id']}" in json.dumps(message)
    assert {span.name for span in spans()} == {"deployment", "rollout", "watch"}
    [root] = [span for span in spans() if span.name == "deployment"]
    assert root.context is not None
    assert f"{root.context.trace_id:032x}" == result["trace_id"]


def test_the_link_opens_the_service_on_its_dashboard(tools: Tools, cluster: Path) -> None:
    parts = urlsplit(run(tools)["dashboard"])

    assert (parts.netloc, parts.path) == ("grafana", f"/d/{Uid.SERVICE}")
    assert parse_qs(parts.query)["var-service"] == ["api-gateway"]
    assert telling.DASHBOARD == Uid.SERVICE


def test_a_critical_alert_rolls_back_to_the_revision_before(
    tools: Tools, cluster: Path, spans: Callable[[], tuple[ReadableSpan, ...]]
) -> None:
    tools.fire("CriticalErrorRate", NOW)

    result = run(tools)

    assert (result["outcome"], result["exit_code"]) == ("rolled back", 4)
    assert rollouts(cluster) == ["rollout undo deployment/api-gateway --to-revision=3"]
    assert "CriticalErrorRate fires" in told(tools)
    assert "rollback" in {span.name for span in spans()}


def test_a_rollout_that_hangs_is_rolled_back(tools: Tools, cluster: Path) -> None:
    (cluster / "stuck").touch()

    result = run(tools)

    assert rollouts(cluster) == ["rollout undo deployment/api-gateway --to-revision=3"]
    assert result["outcome"] == "failed, not rolled back"  # the way back hangs too, and that is said
    assert "exceeded its progress deadline" in told(tools)


@pytest.mark.parametrize(
    ("outcome", "about"),
    [
        ("no verdict", {"since": NOW - timedelta(minutes=2)}),
        ("passed", {"since": NOW, "service": "ai-engine"}),
        ("passed", {"since": NOW, "namespace": "elsewhere"}),
        ("passed", {"since": NOW, "severity": "warning"}),
        ("passed", {"since": NOW, "silenced": True}),
        ("passed", {"since": NOW, "pending": True}),
    ],
    ids=["stood before", "another service", "another namespace", "a warning", "silenced", "pending"],
)
def test_what_is_not_the_rollouts_doing_undoes_nothing(
    tools: Tools, cluster: Path, outcome: str, about: dict[str, Any]
) -> None:
    tools.fire("CriticalErrorRate", **about)

    assert run(tools)["outcome"] == outcome
    assert rollouts(cluster) == []


def test_an_alert_from_log_lines_counts(tools: Tools, cluster: Path) -> None:
    tools.fire("StackTraceInLogs", NOW)
    tools.firing = []  # Loki sends it itself; Prometheus does not know of it

    assert run(tools)["outcome"] == "rolled back"


@pytest.mark.parametrize(
    ("revisions", "more", "reason"),
    [
        ({1: "new"}, (), "revision 1 is the only one there is"),
        ({4: "new", 3: "old"}, ("--no-rollback",), "--no-rollback"),
    ],
    ids=["the first revision", "forbidden"],
)
def test_where_there_is_no_way_back_it_fails_and_says_so(
    tools: Tools, cluster: Path, revisions: dict[int, str], more: tuple[str, ...], reason: str
) -> None:
    write(cluster, revisions, timedelta(minutes=1))
    tools.fire("CriticalErrorRate", NOW)

    result = run(tools, *more)

    assert (result["outcome"], result["exit_code"]) == ("failed, not rolled back", 5)
    assert rollouts(cluster) == []
    assert f"not rolled back: {reason}" in told(tools)


def test_a_revision_of_last_week_is_not_undone_by_todays_pipeline(tools: Tools, cluster: Path) -> None:
    write(cluster, {4: "new", 3: "old"}, timedelta(days=7))
    tools.fire("CriticalErrorRate", datetime.now(UTC) + timedelta(minutes=1))

    assert run(tools)["exit_code"] == 5
    assert rollouts(cluster) == []


def test_what_somebody_else_rolled_out_meanwhile_is_not_undone(
    tools: Tools, cluster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools.fire("CriticalErrorRate", NOW)
    monkeypatch.setattr("delivery.rollout.Deployment.revision", lambda _: 5)

    result = run(tools)

    assert (result["outcome"], result["exit_code"]) == ("no verdict", 3)
    assert rollouts(cluster) == []


def test_without_requests_there_is_no_verdict(tools: Tools, cluster: Path) -> None:
    tools.requests = 0
    tools.burn = {"availability": 0.0}

    result = run(tools)

    assert (result["outcome"], result["exit_code"]) == ("no verdict", 3)
    assert "no errors to measure" in told(tools)
    assert rollouts(cluster) == []


def test_a_webhook_that_is_away_does_not_change_the_verdict_nor_show_its_address(
    tools: Tools, cluster: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tools.refuse = "hooks.example"

    assert run(tools)["outcome"] == "passed"
    assert "nobody was told" in caplog.text
    assert "hooks.example" not in caplog.text


@pytest.mark.parametrize(
    ("spoil", "more", "error"),
    [
        ({"refuse": "prometheus"}, (), "http://prometheus does not answer as it should.*--prometheus-url"),
        ({"refuse": "alertmanager"}, (), "http://alertmanager does not answer as it should"),
        ({"refuse": "grafana"}, (), "Grafana at http://grafana does not take an annotation"),
        ({"held": []}, (), "alerts do not reach Alertmanager"),
        ({}, ("--service", "api-gatewy"), "--service is 'api-gatewy'.*did you mean 'api-gateway'"),
        ({}, ("--service", "API gateway"), "--service is 'API gateway'; write a Kubernetes name"),
        ({}, ("--namespace", "prod"), "--service is 'api-gateway' in namespace prod"),
        ({}, ("--deployment", "gateway"), "deployment gateway in namespace dharma cannot be read.*--deployment"),
        ({}, ("--otlp-endpoint", "otlp:4317"), "--otlp-endpoint is 'otlp:4317'; write an http"),
        ({}, ("--stack-outputs", "/none.json"), "--stack-outputs is '/none.json'"),
    ],
)
def test_bad_input_is_one_error_before_anything_changes(
    tools: Tools, cluster: Path, spoil: dict[str, Any], more: tuple[str, ...], error: str
) -> None:
    for name, value in spoil.items():
        setattr(tools, name, value)

    with pytest.raises(GateError, match=error):
        run(tools, *more)

    assert tools.changed == []
    assert not (cluster / "calls").exists() or rollouts(cluster) == []


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(GateError, match=f"{name} is not set"):
        options.parse(ARGUMENTS, {key: value for key, value in SECRETS.items() if key != name})


def test_an_error_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str], cluster: Path) -> None:
    assert command.main(["watch", "--service", "api-gateway"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: --grafana-url is not set")
    assert printed.err.count("\n") == 1


def test_addresses_come_from_the_stacks_outputs(tmp_path: Path) -> None:
    tools = ("prometheus", "alertmanager", "grafana", "jaeger")
    outputs = {
        "urls": {tool: f"http://{tool}.example" for tool in tools},
        "otlp_endpoint": "http://jaeger-collector:4317",
    }
    (tmp_path / "outputs.json").write_text(json.dumps(outputs))

    chosen = options.parse(["watch", "--service", "a", "--stack-outputs", str(tmp_path / "outputs.json")], SECRETS)

    assert (chosen.prometheus, chosen.alertmanager) == ("http://prometheus.example", "http://alertmanager.example")
    assert (chosen.grafana_link, chosen.jaeger_link) == ("http://grafana.example", "http://jaeger.example")
    assert chosen.otlp == "http://jaeger-collector:4317"


def test_the_role_grants_nothing_that_reaches_beyond_the_rollout() -> None:
    documents = list(yaml.safe_load_all((Path(gate.__file__).parent / "role.yaml").read_text()))
    granted = {
        (resource, verb)
        for document in documents
        for rule in document.get("rules", [])
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }

    assert {document["kind"] for document in documents} == {"Role", "RoleBinding"}
    assert {each for each in granted if each[1] not in ("get", "list", "watch")} == {
        ("deployments", "patch"),
        ("pods/portforward", "create"),
    }


def test_what_the_gate_installs_is_what_it_was_tested_with() -> None:
    def pinned(path: Path) -> set[str]:
        return {line.split()[0] for line in path.read_text().splitlines() if "==" in line}

    root = Path(gate.__file__).parents[1]
    gates = pinned(root / "delivery" / "requirements.txt")

    assert {each.split("==")[0] for each in gates} >= {"httpx", "opentelemetry-sdk"}
    assert gates <= pinned(root / "requirements-dev.txt")
