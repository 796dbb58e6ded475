"""The stack files in the repository: each is understood as it stands, and none holds a secret."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import settings
from components.settings.secrets import catalogue
from tests.stack_files import PROJECT, config_of, settings_of

ROOT = Path(__file__).resolve().parents[2]
STACKS = ("prod", "sandbox", "staging")


def strings(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [text for each in value.values() for text in strings(each)]
    if isinstance(value, list):
        return [text for each in value for text in strings(each)]
    return [str(value)]


def test_every_stack_file_is_tested() -> None:
    assert {path.name for path in ROOT.glob("Pulumi.*.yaml")} == {f"Pulumi.{stack}.yaml" for stack in STACKS}


@pytest.mark.parametrize("stack", STACKS)
def test_stack_file_is_understood(stack: str) -> None:
    assert settings_of(stack).environment == stack


@pytest.mark.parametrize("stack", STACKS)
def test_stack_file_holds_no_secret(stack: str) -> None:
    config = config_of(stack)
    secret_names = {secret.name for secret in catalogue(settings_of(stack))}

    assert not {key for key in config if key.split(":", 1)[1] in secret_names}
    if stack != "sandbox":  # whose local AWS takes any key
        assert not {key for key in config if key in ("aws:accessKey", "aws:secretKey", "aws:token", "aws:profile")}
    assert not [
        text for text in strings(config) if text.startswith(("AKIA", "ASIA", "xoxb-", "https://hooks.slack.com"))
    ]


def test_the_sandbox_keeps_its_keys_outside_the_clone() -> None:
    """A salt in here belongs to one machine's passphrase; on every other, Pulumi would refuse the file."""
    assert yaml.safe_load((ROOT / "Pulumi.sandbox.yaml").read_text()).keys() == {"config"}


@pytest.mark.parametrize("stack", STACKS)
def test_only_declared_keys_are_used(stack: str) -> None:
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]

    used = {key.removeprefix(f"{PROJECT}:") for key in config_of(stack) if key.startswith(f"{PROJECT}:")}

    assert used <= declared.keys()


def test_project_declares_every_setting() -> None:
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]

    assert declared.keys() == settings.Settings.model_fields.keys()
    assert all(entry["description"] for entry in declared.values())


def test_production_keeps_its_data_and_survives_the_loss_of_a_node() -> None:
    prod = settings_of("prod")

    assert prod.protect_data
    assert prod.prometheus.replicas == prod.alertmanager.replicas == 2
    assert prod.jaeger.layout == "split"
    assert prod.span_store.instance_count == 2
    assert prod.span_store.replicas == 1


def test_production_keeps_signals_as_long_as_asked() -> None:
    prod = settings_of("prod")

    assert prod.prometheus.retention_days == 30
    assert prod.loki.retention_days == 30
    assert prod.jaeger.retention_hours == 72
    assert prod.prometheus.scrape_interval_seconds == 15


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_what_is_published_asks_for_tls_and_lists_who_may_connect(stack: str) -> None:
    chosen = settings_of(stack)

    published = [
        tool.exposure
        for tool in (chosen.grafana, chosen.jaeger, chosen.prometheus, chosen.alertmanager, chosen.loki)
        if tool.exposure.type != "ClusterIP"
    ]

    assert published
    for exposure in published:
        assert (exposure.url or "").startswith("https://")
        assert not exposure.open_to_everyone


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_a_load_balancer_is_opened_on_the_port_of_its_service(stack: str) -> None:
    """The balancer listens where the Service does, so the URL people type must name that port."""
    chosen = settings_of(stack)

    ports = {"grafana": 3000, "jaeger": 16686}

    for tool, port in ports.items():
        exposure = getattr(chosen, tool).exposure
        if exposure.type == "LoadBalancer":
            assert exposure.url.endswith(f":{port}")
