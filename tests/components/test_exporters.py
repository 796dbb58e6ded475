"""What watches the platform's stores."""

from typing import Any

import pulumi

from components.exporters import ExporterImages, Exporters, ExportersArgs, requests
from components.settings.tools import ExportersSettings
from components.span_store import SpanStore
from tests.components.recording import Recording, environment, pod, record, shared

PRIMARY, REPLICAS = "db-1:5432/app?sslmode=require", ("db-2:5432/app", "db-3:5432/app")
POSTGRESQL = {"address": PRIMARY, "replica_addresses": REPLICAS, "user": "observability"}


def exporters(**settings: Any) -> Recording:
    def make() -> None:
        args = ExportersArgs(
            shared=shared(),
            settings=ExportersSettings(**settings),
            images=ExporterImages.of(lambda key: f"{key}:1"),
            blackbox_config="",
            postgresql_password=pulumi.Output.secret("the-password"),
            redis_password=None,
            span_store=SpanStore(kind="opensearch", url="http://store:9200", shards=1, replicas=0),
        )
        Exporters("exporters", args)

    return record(make)


def watched(made: Recording) -> dict[str, str]:
    """The address that each workload is told to watch, and the name its series have for it."""
    return {
        environment(pod(one)["containers"][0])["DATA_SOURCE_URI"]: one["spec"]["template"]["metadata"]["annotations"][
            "observability-stack/watches"
        ]
        for one in made.all("Deployment")
        if one["metadata"]["name"].startswith("postgres-exporter")
    }


def test_each_server_has_an_exporter_that_names_it() -> None:
    made = exporters(postgresql=POSTGRESQL)

    assert watched(made) == {PRIMARY: "db-1:5432", REPLICAS[0]: "db-2:5432", REPLICAS[1]: "db-3:5432"}
    one = pod(made.only("Deployment", "postgres-exporter-replica-2"))
    assert one["volumes"][0]["secret"]["secretName"] == "postgres-exporter"


def test_what_is_not_set_is_not_watched() -> None:
    assert watched(exporters()) == {}


def test_a_replica_more_is_an_exporter_more_to_make_room_for() -> None:
    def count(**postgresql: Any) -> int:
        return len(requests(ExportersSettings.model_validate({"postgresql": POSTGRESQL | postgresql}))[1])

    assert count() == count(replica_addresses=()) + len(REPLICAS)
