"""Loki's settings are of its layout, large enough for the declared logs, and of tenants that are its own."""

from typing import Any

import pulumi
import pytest

from components.settings import SettingsError, parse
from components.settings.secrets import load_secrets
from tests.unit.settings_values import changed, refusal


@pytest.mark.parametrize(("gb_per_day", "replicas"), [(20, 1), (20.1, 4), (50, 8)])
def test_loki_must_be_large_enough_for_the_declared_logs(gb_per_day: float, replicas: int) -> None:
    values = changed("load.log_gb_per_day", gb_per_day)
    values["loki"] = {"replicas": replicas}
    assert parse(values).loki.replicas == replicas
    if replicas > 1:
        values["loki"] = {"replicas": replicas - 1}
        assert refusal(values) == (
            f"loki.replicas is {replicas - 1}; set {replicas} or more: {gb_per_day:g} GB a day (load.log_gb_per_day) "
            "at 20 for each process, every line kept 3 times"
        )


def test_more_logs_than_a_layout_takes_are_refused_with_the_layout_to_use() -> None:
    values = changed("load.log_gb_per_day", 70)
    assert refusal(values) == (
        "loki.layout is monolithic, which takes 66 GB a day at most, and load.log_gb_per_day is 70; "
        "set layout to microservices, or log less (logs.drop_debug)"
    )

    values["loki"] = {"layout": "microservices"}
    assert parse(values).loki.layout == "microservices"
    values["load"]["log_gb_per_day"] = 3001
    assert refusal(values).startswith("load.log_gb_per_day is 3001; Loki as it is laid out here takes 3000 at most")


def test_a_microservice_must_be_large_enough_for_the_declared_logs() -> None:
    values = changed("load.log_gb_per_day", 2000)
    values["loki"] = {"layout": "microservices", "microservices": {"ingester": {"replicas": 3}}}

    assert refusal(values) == (
        "loki.microservices.ingester.replicas is 3; set 4 or more for 2000 GB a day (load.log_gb_per_day), or leave it "
        "out"
    )


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (
            {"layout": "microservices", "replicas": 3},
            "loki: layout is microservices, which does not read replicas; set loki.microservices.<name> in its place",
        ),
        (
            {"microservices": {"querier": {"replicas": 3}}},
            "loki: layout is monolithic, which does not read microservices; leave it out, or set layout to "
            "microservices",
        ),
        (
            {"layout": "microservices", "microservices": {"querrier": {"replicas": 3}}},
            "loki.microservices.querrier",
        ),
    ],
)
def test_what_the_layout_of_loki_would_not_read_is_refused(chosen: dict[str, Any], message: str) -> None:
    assert refusal(changed("loki", chosen)).startswith(message)


@pytest.mark.parametrize(
    ("tenants", "message"),
    [
        (["team-a", "team-a"], "loki: tenants names team-a twice; once is enough"),
        (["fake"], "loki: tenants names fake, whose are the lines of a Loki without tenants; write another name"),
        (["Team A"], 'loki.tenants.0 is "Team A"; write lower-case letters, digits and dashes, such as team-a'),
        (
            ["dev"],
            "loki.tenants names dev, the environment, which is the platform's own tenant; name the others only",
        ),
    ],
)
def test_a_tenant_that_would_be_somebody_elses_is_refused(tenants: list[str], message: str) -> None:
    values = changed("loki", {"tenants": tenants})
    values["environment"] = "dev"

    assert refusal(values) == message


def test_the_platform_is_a_tenant_only_where_there_are_others() -> None:
    assert parse(changed("loki", {"tenants": ["team-a"]})).loki.own_tenant("dev") == "dev"
    assert parse(changed("loki", {})).loki.own_tenant("dev") is None


@pytest.mark.parametrize("outside", [True, False])
def test_a_loki_that_is_reached_from_outside_needs_users_for_its_gateway(outside: bool) -> None:
    exposure = {"type": "NodePort", "node_port": 30100, "url": "http://10.0.0.1:30100"} if outside else {}
    settings = parse(changed("loki.exposure", exposure))

    with pytest.raises(SettingsError) as refused:
        load_secrets(pulumi.Config("nothing-is-set"), settings)

    command = "pulumi config set --secret loki_gateway_htpasswd '<users of Loki's gateway, "
    assert (command in str(refused.value)) == outside
