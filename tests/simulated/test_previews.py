"""`pulumi preview` by the real engine where nothing exists yet: what each stack would get, and what is refused."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from sandbox import preview
from sandbox.aws import moto
from sandbox.engine import Engine, EngineError
from sandbox.paths import repo_root
from tests.stack_file import configured

GOLDEN = repo_root() / "tests" / "golden"


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_a_preview_creates_what_the_golden_file_lists(stack: str) -> None:
    """After a change that is meant, run this with UPDATE_GOLDEN=1, and read the diff."""
    with preview.fresh(stack) as engine:
        seen = preview.summary(engine)
    path = GOLDEN / f"{stack}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(seen)
    assert seen == path.read_text()


@pytest.fixture(scope="module")
def nowhere() -> Iterator[Engine]:
    with preview.fresh("sandbox") as engine:
        yield engine


BAD_SETTINGS = {
    "out of range": (
        "observability-stack:loki",
        {"retention_days": 0},
        "loki.retention_days is 0; set 1 or more",
    ),
    "wrong type": (
        "observability-stack:grafana",
        {"storage": {"size_gib": "ten"}},
        'grafana.storage.size_gib is "ten"; write a whole number, without quotes',
    ),
    "misspelt": (
        "observability-stack:loki",
        {"retention_day": 7},
        "loki.retention_day is not a setting; did you mean loki.retention_days?",
    ),
    "a Secret the stack never makes": (
        "observability-stack:existing_secrets",
        ["grafana-secret"],
        "existing_secrets: grafana-secret is none of this stack's; write alertmanager-secrets, grafana-secrets",
    ),
    "less than the agents may send": (
        "observability-stack:loki",
        {"ingestion_rate_mib": 1},
        "loki.ingestion_rate_mib is 1, less than the agents may send; set ",
    ),
    "a burst below the rate": (
        "observability-stack:logs",
        {"burst_lines": 100},
        "logs.burst_lines is 100; set 2000 or more",
    ),
    "a cluster that the kubeconfig lacks": (
        "observability-stack:kubernetes_context",
        "arn:aws:eks:us-east-1:111122223333:cluster/another",
        "kubernetes_context is arn:aws:eks:us-east-1:111122223333:cluster/another, which the kubeconfig does not name",
    ),
    "unknown key": (
        "observability-stack:lokki",
        {},
        "lokki is not a setting; did you mean loki?",
    ),
}


# Of each kind of check one; what else the settings refuse is in tests/unit/test_settings*.py, without an engine.
USUAL = ("out of range", "wrong type", "misspelt", "a cluster that the kubeconfig lacks")


@pytest.mark.parametrize(
    "case", [case if case in USUAL else pytest.param(case, marks=pytest.mark.full) for case in BAD_SETTINGS]
)
def test_a_bad_setting_is_refused_before_anything_changes(case: str, nowhere: Engine) -> None:
    key, value, message = BAD_SETTINGS[case]
    with configured(nowhere, key, value), pytest.raises(EngineError) as refused:
        nowhere.run("up", "--yes", capture=True)
    assert message in refused.value.output
    assert " created" not in refused.value.output


def test_a_missing_secret_is_refused_with_the_command_that_sets_it(nowhere: Engine, tmp_path: Path) -> None:
    bare = Engine("sandbox", nowhere.kubeconfig, tmp_path, account=nowhere.account)
    bare.prepare({})
    with pytest.raises(EngineError) as refused:
        bare.run("preview", capture=True)
    assert "pulumi config set --secret grafana_admin_password" in refused.value.output


THEIRS = {"mode": "existing", "monitoring": "theirs", "agents": "their-agents"}


@pytest.mark.full
def test_secrets_that_others_keep_are_used_in_place(nowhere: Engine) -> None:
    def kubectl(*arguments: str) -> None:
        environment = {**os.environ, **nowhere.environment()}
        subprocess.run(["kubectl", *arguments], env=environment, check=True, capture_output=True)

    def made() -> str:
        return nowhere.run("preview", "--diff=false", capture=True)

    with (
        configured(nowhere, "observability-stack:namespaces", THEIRS),
        configured(nowhere, "observability-stack:existing_secrets", ["grafana-secrets"]),
    ):
        kubectl("create", "namespace", "theirs")
        kubectl("create", "namespace", "their-agents")
        with pytest.raises(EngineError) as refused:
            made()
        assert "theirs/grafana-secrets does not exist; make it with the key(s) admin-password, secret-key" in (
            refused.value.output
        )
        secret = [
            "create",
            "secret",
            "generic",
            "grafana-secrets",
            "-n",
            "theirs",
            "--from-literal=admin-password=made-up",
        ]
        kubectl(*secret)
        with pytest.raises(EngineError) as refused:
            made()
        assert "theirs/grafana-secrets lacks the key(s) secret-key" in refused.value.output
        kubectl("delete", "secret", "grafana-secrets", "-n", "theirs")
        kubectl(*secret, "--from-literal=secret-key=made-up")
        assert "grafana-secrets" not in made()
        kubectl("delete", "secret", "grafana-secrets", "-n", "theirs")  # what is there and not named is refused
    assert "grafana-secrets" in made()


def test_a_bucket_that_exists_is_refused_by_name(nowhere: Engine) -> None:
    variables = nowhere.environment()
    config = yaml.safe_load(Path(variables["PULUMI_OPTION_CONFIG_FILE"]).read_text())["config"]
    name = config["observability-stack:object_store"]["bucket"]
    s3 = moto.client("s3", variables["AWS_ENDPOINT_URL"])
    s3.create_bucket(Bucket=name)
    try:
        with pytest.raises(EngineError) as refused:
            nowhere.run("preview", capture=True)
    finally:
        s3.delete_bucket(Bucket=name)
    assert f"bucket {name} exists and is not this stack's" in refused.value.output


def test_an_object_of_somebody_else_is_refused_by_name(nowhere: Engine) -> None:
    environment = {**os.environ, **nowhere.environment()}
    for arguments in (
        ["create", "namespace", "monitoring"],
        ["create", "serviceaccount", "grafana", "-n", "monitoring"],
    ):
        subprocess.run(["kubectl", *arguments], env=environment, check=True, capture_output=True)
    with pytest.raises(EngineError) as refused:
        nowhere.run("preview", capture=True)
    assert "Namespace monitoring exists and belongs to somebody outside Pulumi" in refused.value.output


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        pytest.param(
            ("serviceaccount", "grafana", "-n", "theirs"), "ServiceAccount theirs/grafana", marks=pytest.mark.full
        ),
        (
            ("clusterrole", "observability-stack-sandbox-promtail", "--verb=get", "--resource=pods"),
            "ClusterRole observability-stack-sandbox-promtail",
        ),
    ],
    ids=["in a namespace", "cluster-wide"],
)
def test_an_object_in_namespaces_that_exist_is_refused_by_name(
    arguments: tuple[str, ...], named: str, nowhere: Engine
) -> None:
    def kubectl(*words: str, text: str | None = None) -> None:
        environment = {**os.environ, **nowhere.environment()}
        subprocess.run(["kubectl", *words], env=environment, input=text, text=True, check=True, capture_output=True)

    for namespace in ("theirs", "their-agents"):
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        kubectl("apply", "-f", "-", text=json.dumps(made))
    kubectl("create", *arguments)
    try:
        with configured(nowhere, "observability-stack:namespaces", THEIRS), pytest.raises(EngineError) as refused:
            nowhere.run("preview", capture=True)
    finally:
        kubectl("delete", *(word for word in arguments if not word.startswith("--")))
    assert f"{named} exists and belongs to somebody outside Pulumi, not to this stack" in refused.value.output
