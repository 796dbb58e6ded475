"""Backup and access jobs: the objects they ask for."""

import json
from pathlib import Path
from typing import Any

from components.backup import Backup, BackupArgs
from components.grafana_access import GrafanaAccess, GrafanaAccessArgs
from components.settings.grafana_database import GrafanaDatabaseSettings
from components.settings.tools import BackupSettings
from components.shared import Endpoint
from rendering.declarations import load_teams
from tests.certificate import CERTIFICATE
from tests.components.recording import Recording, environment, pod, record, shared

ROOT = Path(__file__).resolve().parents[2]


def backup(**overrides: Any) -> Recording:
    plain: dict[str, Any] = {
        "shared": shared(),
        "settings": BackupSettings(),
        "python_image": "python:1",
        "aws_image": "aws:1",
        "postgres_image": "postgres:1",
        "bucket": "logs",
        "region": "eu-central-1",
        "grafana": "grafana",
        "grafana_claim": "data-grafana-0",
        "user": 472,
        "alertmanager": Endpoint(name="alertmanager", namespace="monitoring", port=9093),
    }
    return record(lambda: Backup("grafana-backup", BackupArgs(**{**plain, **overrides})))


def steps(recorded: Recording, name: str) -> list[dict[str, Any]]:
    spec = pod(recorded.only("CronJob", name))
    return [*spec["initContainers"], *spec["containers"]]


def test_the_snapshot_is_taken_first_and_sent_then_to_the_prefix_of_backups() -> None:
    snapshot, upload = steps(backup(), "grafana-backup")
    assert snapshot["command"][1:] == [
        "/etc/grafana-backup/grafana_snapshot.py",
        "/var/lib/grafana/grafana.db",
        "http://alertmanager.monitoring:9093",
        "/work",
    ]
    assert environment(upload)["PLACE"] == "s3://logs/backups/"


def test_the_job_goes_to_the_node_that_has_grafanas_volume() -> None:
    spec = pod(backup().only("CronJob", "grafana-backup"))
    claims = [one["persistentVolumeClaim"]["claimName"] for one in spec["volumes"] if "persistentVolumeClaim" in one]
    [term] = spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert claims == ["data-grafana-0"]
    assert term["labelSelector"]["matchLabels"]["app"] == "grafana"


def test_restoring_never_runs_by_the_clock_and_needs_no_running_grafana() -> None:
    recorded = backup()
    assert recorded.only("CronJob", "grafana-restore")["spec"]["suspend"] is True
    assert recorded.only("CronJob", "grafana-backup")["spec"]["suspend"] is False
    assert "affinity" not in pod(recorded.only("CronJob", "grafana-restore"))


def test_with_a_role_there_are_no_keys() -> None:
    recorded = backup(role_arn="arn:aws:iam::1:role/backup")
    account = recorded.only("ServiceAccount", "grafana-backup")
    assert account["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/backup"}
    assert recorded.all("Secret") == []
    for name in ("grafana-backup", "grafana-restore"):
        assert pod(recorded.only("CronJob", name))["serviceAccountName"] == "grafana-backup"
        assert all("AWS_ACCESS_KEY_ID" not in environment(step) for step in steps(recorded, name))


def test_keys_and_endpoint_of_another_s3_reach_only_the_client_of_s3() -> None:
    recorded = backup(s3_endpoint="http://10.0.0.1:5000", s3_secret="loki-s3-keys")
    snapshot, upload = steps(recorded, "grafana-backup")
    assert environment(upload)["ENDPOINT"] == "http://10.0.0.1:5000"
    assert environment(upload)["AWS_ACCESS_KEY_ID"]["secretKeyRef"]["name"] == "loki-s3-keys"
    assert environment(snapshot) == {}


DATABASE = GrafanaDatabaseSettings(host="db.example.com", user="g", ca=CERTIFICATE)


def test_a_database_is_dumped_first_and_put_back_before_the_silences() -> None:
    recorded = backup(database=DATABASE)
    commands = {
        name: [step["command"][1:] for step in steps(recorded, name) if step["name"] not in ("download", "upload")]
        for name in ("grafana-backup", "grafana-restore")
    }
    alertmanager = "http://alertmanager.monitoring:9093"
    assert commands == {
        "grafana-backup": [
            ["/etc/grafana-backup/grafana_dump.sh", "/work/grafana.dump"],
            ["/etc/grafana-backup/grafana_snapshot.py", "/work/grafana.dump", alertmanager, "/work"],
        ],
        "grafana-restore": [
            ["/etc/grafana-backup/grafana_put_back.sh", "/work/grafana.dump"],
            ["/etc/grafana-backup/grafana_restore.py", "/work", alertmanager],
        ],
    }
    assert [step["name"] for step in steps(recorded, "grafana-restore")] == ["download", "put-back", "restore"]
    mounted = recorded.only("ConfigMap", "grafana-backup")["data"]
    assert {"grafana_dump.sh", "grafana_put_back.sh"} <= mounted.keys()


def test_of_grafanas_secret_the_dump_gets_the_databases_password_only_and_as_a_file() -> None:
    recorded = backup(database=DATABASE)
    for name, step in (("grafana-backup", "dump"), ("grafana-restore", "put-back")):
        [login] = [one["secret"] for one in pod(recorded.only("CronJob", name))["volumes"] if "secret" in one]
        [container] = [one for one in steps(recorded, name) if one["name"] == step]
        assert login["items"] == [{"key": "database-password", "path": "database-password"}]
        assert environment(container) == {
            "PGHOST": "db.example.com",
            "PGPORT": "5432",
            "PGDATABASE": "grafana",
            "PGUSER": "g",
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": "/etc/grafana/database/ca.crt",
            "PGCONNECT_TIMEOUT": "30",
            "PASSWORD_FILE": "/etc/grafana/database-login/database-password",
        }


def test_beside_a_database_no_volume_of_grafanas_is_asked_for() -> None:
    recorded = backup(database=DATABASE)
    for name in ("grafana-backup", "grafana-restore"):
        spec = pod(recorded.only("CronJob", name))
        assert [one for one in spec["volumes"] if "persistentVolumeClaim" in one] == []
        assert "affinity" not in spec


def test_what_is_in_a_file_needs_no_postgresql() -> None:
    recorded = backup()
    assert not [name for name in recorded.only("ConfigMap", "grafana-backup")["data"] if name.endswith(".sh")]
    images = {step["image"] for name in ("grafana-backup", "grafana-restore") for step in steps(recorded, name)}
    assert images == {"python:1", "aws:1"}


def access() -> Recording:
    args = GrafanaAccessArgs(
        shared=shared(),
        image="python:1",
        grafana=Endpoint(name="grafana", namespace="monitoring", port=3000),
        admin_secret="grafana-secrets",
        teams=load_teams(ROOT / "configs/teams.yaml"),
    )
    return record(lambda: GrafanaAccess("grafana-access", args))


def test_the_job_of_a_deployment_and_that_of_the_clock_do_the_same() -> None:
    recorded = access()
    assert pod(recorded.only("Job")) == pod(recorded.only("CronJob"))


def test_a_change_of_what_is_declared_makes_another_job() -> None:
    recorded = access()
    data = recorded.only("ConfigMap", "grafana-access")["data"]
    assert set(data) == {"grafana_access.py", "access.json"}
    assert recorded.only("Job")["spec"]["template"]["metadata"]["annotations"]["observability-stack/config"]


def test_the_password_is_a_mounted_file() -> None:
    [container] = pod(access().only("Job"))["containers"]
    assert environment(container)["GRAFANA_PASSWORD_FILE"] == "/etc/grafana-access/secrets/admin-password"
    assert "secretKeyRef" not in json.dumps(container)
