"""Settings of what keeps data elsewhere: the span store and Grafana's database."""

import pytest

from components.grafana_database import PASSWORD_KEY, PASSWORD_SECRET
from components.settings import parse
from components.settings.secrets import catalogue
from tests.certificate import CERTIFICATE
from tests.span_stores import IN_CLUSTER
from tests.unit.settings_values import Values, changed, refusal

MANAGED: Values = {
    "mode": "managed",
    "vpc_id": "vpc-1",
    "subnet_ids": ["subnet-1"],
    "client_cidrs": ["10.0.0.0/16"],
    "username": "jaeger",
    "master_username": "administrator",
}
EXTERNAL: Values = {"mode": "external", "url": "https://spans.example.com:9200"}


@pytest.mark.parametrize("left_out", ["vpc_id", "subnet_ids", "client_cidrs"])
def test_managed_span_store_lives_in_a_vpc(left_out: str) -> None:
    store = {key: value for key, value in MANAGED.items() if key != left_out}

    assert refusal(changed("span_store", store)) == (
        f"span_store: mode is managed but {left_out} is not set; the domain lives inside a VPC, never public"
    )


@pytest.mark.parametrize(
    ("store", "message"),
    [
        (
            MANAGED | {"subnet_ids": ["subnet-1", "subnet-2"], "instance_count": 3},
            "instance_count is 3 over 2 subnet_ids; a managed domain spreads evenly, so set a multiple of 2",
        ),
        (
            MANAGED | {"username": None},
            "mode is managed but username is not set; the store lets nobody in without a login",
        ),
        (
            IN_CLUSTER | {"master_username": None},
            "mode is in_cluster but master_username is not set; the store lets nobody in without a login",
        ),
        (
            MANAGED | {"username": "administrator"},
            "username is administrator, the same as master_username; Jaeger needs a user with fewer rights",
        ),
        (
            MANAGED | {"replicas": 1},
            "replicas is 1 with an instance_count of 1; a copy needs a node of its own, so set 0 or less",
        ),
        (
            MANAGED | {"kind": "elasticsearch"},
            "kind is elasticsearch but mode is managed; set mode to external, or leave kind out",
        ),
        (
            MANAGED | {"certificate": CERTIFICATE},
            "certificate is set but mode is managed; it is for a store in_cluster only",
        ),
        (
            IN_CLUSTER | {"certificate": None},
            "mode is in_cluster but certificate is not set; it speaks TLS only; docs/traces.md has commands",
        ),
        (
            IN_CLUSTER | {"snapshot_storage": None},
            "mode is in_cluster but snapshot_storage is not set; name a class whose volumes several nodes mount at "
            "once (ReadWriteMany); docs/traces.md has an example",
        ),
        (
            IN_CLUSTER | {"snapshot_storage": {"size_gib": 30}},
            "mode is in_cluster but snapshot_storage.storage_class is not set; name a class whose volumes several "
            "nodes mount at once (ReadWriteMany); docs/traces.md has an example",
        ),
        (
            MANAGED | {"snapshot_storage": IN_CLUSTER["snapshot_storage"]},
            "snapshot_storage is set but mode is managed; it is for a store in_cluster only",
        ),
        (
            IN_CLUSTER | {"instance_count": 2},
            "instance_count is 2; in_cluster set 1, or 3 and more (two cannot outvote each other)",
        ),
        ({"mode": "external"}, "mode is external but url is not set; write the store's URL"),
        (
            EXTERNAL | {"url": "http://spans.example.com:9200", "username": "jaeger"},
            "username is set but url is http://spans.example.com:9200; write its https:// URL: a password must not "
            "travel in clear text",
        ),
        (
            EXTERNAL | {"master_username": "administrator"},
            "master_username is set but username is not; name the user that is to be made",
        ),
        (
            EXTERNAL | {"kind": "elasticsearch", "username": "jaeger", "master_username": "administrator"},
            "master_username is set but kind is elasticsearch; make the user there yourself and leave it out",
        ),
    ],
)
def test_span_store_that_does_not_fit(store: Values, message: str) -> None:
    assert refusal(changed("span_store", store)) == f"span_store: {message}"


@pytest.mark.parametrize("store", [MANAGED, IN_CLUSTER, IN_CLUSTER | {"instance_count": 3, "replicas": 1}, EXTERNAL])
def test_span_store_that_fits(store: Values) -> None:
    assert parse(changed("span_store", store)).span_store.mode == store["mode"]


@pytest.mark.parametrize(
    ("store", "replicas"),
    [
        (MANAGED, 0),
        (MANAGED | {"instance_count": 2}, 1),
        (IN_CLUSTER | {"instance_count": 3}, 1),
        (IN_CLUSTER | {"instance_count": 3, "replicas": 0}, 0),
        (EXTERNAL | {"instance_count": 3}, 0),
    ],
)
def test_an_index_has_a_copy_where_there_is_a_node_for_it(store: Values, replicas: int) -> None:
    assert parse(changed("span_store", store)).span_store.replicas == replicas


def test_an_authority_is_pem_text() -> None:
    message = refusal(changed("span_store", EXTERNAL | {"ca": "/etc/ssl/ca.pem"}))

    assert message == (
        'span_store.ca is "/etc/ssl/ca.pem"; write certificates as PEM text, from -----BEGIN CERTIFICATE----- on'
    )


def test_more_shards_than_the_nodes_bear_are_refused() -> None:
    values = changed("span_store", IN_CLUSTER | {"shards": 2})
    values["jaeger"] = {"retention_hours": 720}

    assert refusal(values) == (
        "jaeger.retention_hours is 720 with span_store.shards 2 and replicas 0: 192 shards, and 1 node(s) bear 25; "
        "keep spans for less long, or set fewer shards or more nodes (span_store.instance_count)"
    )


DATABASE: Values = {"host": "db.example.com", "ca": CERTIFICATE}


def test_grafana_replicas_without_a_database_they_share_are_refused() -> None:
    assert refusal(changed("grafana.replicas", 2)) == (
        "grafana: replicas is 2 but database is not set; a file on a volume has one writer, so set database (its "
        "`host` at least) to a PostgreSQL that all replicas share, or set replicas to 1"
    )


@pytest.mark.parametrize("replicas", [1, 2])
def test_grafana_on_a_database_has_as_many_replicas_as_it_likes(replicas: int) -> None:
    settings = parse(changed("grafana", {"replicas": replicas, "database": DATABASE}))

    assert settings.grafana.replicas == replicas
    assert settings.grafana.database is not None
    assert settings.grafana.database.sslmode == "verify-full"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"ca": None},
            ": sslmode is verify-full but ca is not set; write the authority's certificate (for RDS, the region's "
            "bundle)",
        ),
        (
            {"sslmode": "require"},
            ": ca is set but sslmode is require; set sslmode to verify-full, or leave ca out",
        ),
        ({"host": "postgres://db"}, '.host is "postgres://db"; write something like grafana.dharma.example'),
        ({"name": "grafana-prod"}, '.name is "grafana-prod"; write something like grafana'),
        ({"port": 0}, ".port is 0; set 1 or more"),
    ],
)
def test_grafana_database_that_does_not_fit(change: Values, message: str) -> None:
    assert refusal(changed("grafana.database", DATABASE | change)) == f"grafana.database{message}"


@pytest.mark.parametrize("database", [None, DATABASE])
def test_the_password_of_grafanas_database_is_asked_for_where_there_is_one(database: Values | None) -> None:
    settings = parse(changed("grafana.database", database))
    [secret] = [one for one in catalogue(settings) if one.name == "grafana_database_password"]

    assert secret.needed == (database is not None)
    assert (secret.held_in, secret.key) == (PASSWORD_SECRET, PASSWORD_KEY)
