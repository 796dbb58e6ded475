"""Grafana: the objects it asks for."""

import json
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import jmespath  # type: ignore[import-untyped]
import pulumi
import pytest
import yaml

from components.alerts import limits
from components.grafana import Grafana, GrafanaArgs
from components.settings.base import Exposure
from components.settings.grafana_database import GrafanaDatabaseSettings
from components.settings.tools import GrafanaSettings, OidcSettings, PrometheusSettings
from rendering.datasources import DatasourceUrls, Folder
from rendering.declarations import load_platform
from tests.certificate import CERTIFICATE
from tests.components.recording import Recording, environment, pod, record, shared

ROOT = Path(__file__).resolve().parents[2]
DATASOURCES = DatasourceUrls(prometheus="http://p", loki="http://l", jaeger="http://j", alertmanager="http://a")
OIDC = OidcSettings(
    client_id="grafana",
    auth_url="https://sso.example.com/authorize",
    token_url="https://sso.example.com/token",
    api_url="https://sso.example.com/userinfo",
    admin_group="observability-admins",
    editor_group="engineers",
)
LIMITS = limits(PrometheusSettings(runbook_base_url="https://runbooks.example"), {})
DATABASE = GrafanaDatabaseSettings(host="db.example.com", ca=CERTIFICATE)


def grafana(**overrides: Any) -> Recording:
    plain: dict[str, Any] = {
        "shared": shared(),
        "settings": GrafanaSettings(),
        "image": "grafana:1",
        "admin_password": pulumi.Output.secret("made up"),
        "secret_key": pulumi.Output.secret("also made up"),
        "platform": load_platform(ROOT / "configs/services.yaml"),
        "datasources": DATASOURCES,
        "runbook_base_url": "https://runbooks.example",
        "limits": LIMITS,
        "collector": "promtail",
    }
    return record(lambda: Grafana("grafana", GrafanaArgs(**{**plain, **overrides})))


def published(url: str) -> GrafanaSettings:
    return GrafanaSettings(exposure=Exposure(type="NodePort", node_port=30300, url=url))


def variables(recorded: Recording) -> dict[str, Any]:
    return environment(pod(recorded.only("StatefulSet"))["containers"][0])


def mounted(recorded: Recording) -> dict[str, str]:
    """Directory in the container -> ConfigMap."""
    spec = pod(recorded.only("StatefulSet"))
    maps = {one["name"]: one["configMap"]["name"] for one in spec["volumes"] if "configMap" in one}
    mounts = spec["containers"][0]["volumeMounts"]
    return {one["mountPath"]: maps[one["name"]] for one in mounts if one["name"] in maps}


def settings_of(recorded: Recording) -> RawConfigParser:
    """grafana.ini, read; what stands before its first section is in [DEFAULT]."""
    ini = RawConfigParser(strict=True)
    ini.read_string("[DEFAULT]\n" + recorded.only("ConfigMap", "grafana-config")["data"]["grafana.ini"])
    return ini


def secret_keys(recorded: Recording) -> set[str]:
    """Keys of grafana-secrets, whose values travel marked as secret."""
    return set(recorded.only("Secret", "grafana-secrets")["stringData"]["value"])


def test_the_datasources_are_those_of_this_stack() -> None:
    config = grafana().only("ConfigMap", "grafana-datasources")["data"]["datasources.yaml"]
    assert {entry["url"] for entry in yaml.safe_load(config)["datasources"]} == {
        "http://p",
        "http://l",
        "http://j",
        "http://a",
    }


def test_each_folder_has_a_config_map_mounted_where_its_provider_reads() -> None:
    recorded = grafana()
    providers = yaml.safe_load(recorded.only("ConfigMap", "grafana-providers")["data"]["providers.yaml"])["providers"]
    places = mounted(recorded)
    for folder, provider in zip(Folder, providers, strict=True):
        assert places[provider["options"]["path"]] == f"grafana-dashboards-{folder.slug}"
        assert recorded.only("ConfigMap", f"grafana-dashboards-{folder.slug}")["data"]


def test_the_home_page_is_a_dashboard_that_is_mounted() -> None:
    recorded = grafana()
    ini = settings_of(recorded)
    home = Path(ini["dashboards"]["default_home_dashboard_path"])
    data = recorded.only("ConfigMap", mounted(recorded)[str(home.parent)])["data"]
    assert json.loads(data[home.name])["uid"] == "overview"


def test_what_grafana_writes_is_on_the_volume() -> None:
    recorded = grafana()
    ini = settings_of(recorded)
    spec = pod(recorded.only("StatefulSet"))
    writable = [one["mountPath"] for one in spec["containers"][0]["volumeMounts"] if not one.get("readOnly")]
    assert all(ini["paths"][name].startswith("/var/lib/grafana") for name in ("data", "logs", "plugins"))
    assert "/var/lib/grafana" in writable


def test_the_admin_password_is_a_file_out_of_a_secret_and_nowhere_else() -> None:
    recorded = grafana()
    ini = recorded.only("ConfigMap", "grafana-config")["data"]["grafana.ini"]
    assert "admin_password = $__file{/etc/grafana/secrets/admin-password}" in ini
    assert "made up" not in json.dumps([one.inputs for one in recorded.resources if not one.type.endswith(":Secret")])
    assert secret_keys(recorded) == {"admin-password", "secret-key"}


def test_each_start_sets_the_password_of_the_secret_and_shows_it_nowhere() -> None:
    recorded = grafana()
    [init] = pod(recorded.only("StatefulSet"))["initContainers"]
    assert init["args"][-3:] == ["reset-admin-password", "--", "$(ADMIN_PASSWORD)"]
    assert environment(init)["ADMIN_PASSWORD"] == {"secretKeyRef": {"name": "grafana-secrets", "key": "admin-password"}}
    assert {"config", "data", "secrets"} <= {one["name"] for one in init["volumeMounts"]}


def test_what_is_secret_in_the_database_is_encrypted_with_a_key_of_this_stack() -> None:
    ini = grafana().only("ConfigMap", "grafana-config")["data"]["grafana.ini"]
    assert "secret_key = $__file{/etc/grafana/secrets/secret-key}" in ini


@pytest.mark.parametrize(
    ("url", "secure"), [("https://grafana.example.com", "true"), ("http://10.0.0.1:30300", "false")]
)
def test_cookies_are_as_secure_as_the_url_allows(url: str, secure: str) -> None:
    found = variables(grafana(settings=published(url)))
    assert (found["GF_SERVER_ROOT_URL"], found["GF_SECURITY_COOKIE_SECURE"]) == (f"{url}/", secure)


def test_without_a_published_url_grafana_knows_its_in_cluster_one() -> None:
    assert variables(grafana())["GF_SERVER_ROOT_URL"] == "http://grafana.monitoring:3000/"


def test_a_url_with_a_path_is_served_from_that_path() -> None:
    found = variables(grafana(settings=published("https://example.com/grafana")))
    assert found["GF_SERVER_SERVE_FROM_SUB_PATH"] == "true"


def test_the_secret_of_single_sign_on_is_a_file() -> None:
    recorded = grafana(settings=GrafanaSettings(oidc=OIDC), oidc_client_secret=pulumi.Output.secret("also made up"))
    found = variables(recorded)
    assert found["GF_AUTH_GENERIC_OAUTH_CLIENT_SECRET"] == "$__file{/etc/grafana/secrets/oidc-client-secret}"
    assert secret_keys(recorded) == {"admin-password", "secret-key", "oidc-client-secret"}


ID_TOKEN: dict[str, Any] = {"sub": "1", "exp": 1}
USER_INFO: dict[str, Any] = {"sub": "1"}


def role(claims: dict[str, Any], viewer_group: str | None = None) -> str | None:
    """What Grafana makes of claims."""
    oidc = OIDC.model_copy(update={"viewer_group": viewer_group})
    found = variables(grafana(settings=GrafanaSettings(oidc=oidc), oidc_client_secret=pulumi.Output.secret("x")))
    given = jmespath.search(found["GF_AUTH_GENERIC_OAUTH_ROLE_ATTRIBUTE_PATH"], claims)
    return given or None


@pytest.mark.parametrize("source", [ID_TOKEN, USER_INFO], ids=["ID token", "user info"])
@pytest.mark.parametrize("viewer_group", [None, "staff"])
def test_the_highest_group_gives_the_role(source: dict[str, Any], viewer_group: str | None) -> None:
    assert role(source | {"groups": ["staff", "engineers", "observability-admins"]}, viewer_group) == "Admin"
    assert role(source | {"groups": ["staff", "engineers"]}, viewer_group) == "Editor"
    assert role(source | {"groups": ["staff"]}, viewer_group) == "Viewer"


def test_without_a_group_for_viewers_everyone_with_a_login_may_look() -> None:
    assert role(USER_INFO | {"groups": ["others"]}) == "Viewer"
    assert role(USER_INFO) == "Viewer"


def test_an_id_token_without_groups_leaves_the_role_to_the_user_info() -> None:
    assert role(ID_TOKEN) is None
    # Grafana asks of the groups alone too, before it comes to the user info.
    assert role({"groups": []}) is None


@pytest.mark.parametrize("claims", [ID_TOKEN, USER_INFO, USER_INFO | {"groups": ["others"]}])
def test_with_a_group_for_viewers_nobody_else_is_let_in(claims: dict[str, Any]) -> None:
    assert role(claims, viewer_group="staff") is None


def test_without_single_sign_on_none_of_it_is_set() -> None:
    assert not [name for name in variables(grafana()) if "OAUTH" in name]


def test_an_existing_secret_is_mounted_and_not_made() -> None:
    recorded = grafana(shared=shared(existing_secrets=("grafana-secrets",)), admin_password=None)

    volumes = recorded.only("StatefulSet")["spec"]["template"]["spec"]["volumes"]
    assert "grafana-secrets" in [volume["secret"]["secretName"] for volume in volumes if "secret" in volume]
    assert recorded.all("Secret") == []


def test_a_changed_datasource_rolls_the_pod_and_a_changed_dashboard_does_not() -> None:
    def annotation(**overrides: Any) -> str:
        template = grafana(**overrides).only("StatefulSet")["spec"]["template"]
        return str(template["metadata"]["annotations"]["observability-stack/config"])

    other = DatasourceUrls(prometheus="http://other", loki="http://l", jaeger="http://j", alertmanager="http://a")
    assert annotation(datasources=other) != annotation()
    assert annotation(runbook_base_url="https://elsewhere.example") == annotation()


def test_nothing_that_grafana_looks_for_is_missing() -> None:
    mounts = pod(grafana().only("StatefulSet"))["containers"][0]["volumeMounts"]
    provisioned = {Path(one["mountPath"]).name for one in mounts if "/provisioning/" in one["mountPath"]}
    assert provisioned == {"datasources", "dashboards", "plugins", "alerting", "notifiers"}


def test_the_program_gets_no_token_of_the_cluster() -> None:
    assert pod(grafana().only("StatefulSet"))["automountServiceAccountToken"] is False


def replicated() -> Recording:
    settings = GrafanaSettings(replicas=2, database=DATABASE)
    return grafana(settings=settings, database_password=pulumi.Output.secret("made up for it"))


def test_on_postgresql_replicas_roll_one_after_the_other_spread_and_keep_no_volume() -> None:
    recorded = replicated()
    spec = recorded.only("Deployment")["spec"]
    assert (spec["replicas"], spec.get("strategy", {"type": "RollingUpdate"})["type"]) == (2, "RollingUpdate")
    assert recorded.all("StatefulSet") == recorded.all("PersistentVolumeClaim") == []
    assert recorded.only("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert len(spec["template"]["spec"]["topologySpreadConstraints"]) == 2
    assert "emptyDir" in next(one for one in spec["template"]["spec"]["volumes"] if one["name"] == "data")


def test_every_program_of_the_pod_knows_the_database_and_its_password_is_a_file() -> None:
    recorded = replicated()
    spec = pod(recorded.only("Deployment"))
    for container in [*spec["initContainers"], *spec["containers"]]:
        found = {name: value for name, value in environment(container).items() if name.startswith("GF_DATABASE_")}
        assert found == {
            "GF_DATABASE_TYPE": "postgres",
            "GF_DATABASE_HOST": "db.example.com:5432",
            "GF_DATABASE_NAME": "grafana",
            "GF_DATABASE_USER": "grafana",
            "GF_DATABASE_PASSWORD": "$__file{/etc/grafana/secrets/database-password}",
            "GF_DATABASE_SSL_MODE": "verify-full",
            "GF_DATABASE_LOCKING_ATTEMPT_TIMEOUT_SEC": "120",
            "GF_DATABASE_CA_CERT_PATH": "/etc/grafana/database/ca.crt",
        }
        assert "/etc/grafana/database" in {one["mountPath"] for one in container["volumeMounts"]}
    assert recorded.only("ConfigMap", "grafana-database-ca")["data"] == {"ca.crt": DATABASE.ca}
    assert secret_keys(recorded) == {"admin-password", "secret-key", "database-password"}
    assert "made up for it" not in json.dumps(
        [one.inputs for one in recorded.resources if not one.type.endswith(":Secret")]
    )


def test_without_postgresql_grafana_hears_nothing_of_it() -> None:
    recorded = grafana()
    assert [name for name in variables(recorded) if name.startswith("GF_DATABASE")] == []
    assert "grafana-database-ca" not in [one["metadata"]["name"] for one in recorded.all("ConfigMap")]


def test_grafana_evaluates_no_alerts_of_its_own_so_replicas_need_no_peers() -> None:
    alerting = settings_of(grafana())["unified_alerting"]
    assert alerting["execute_alerts"] == "false"
    assert "ha_peers" not in alerting


def test_panels_draw_the_thresholds_that_this_stack_has() -> None:
    def overview(**overrides: Any) -> str:
        found = grafana(**overrides).only("ConfigMap", "grafana-dashboards-platform")["data"]
        return str(found["overview.json"])

    assert '"value":0.77' not in overview()
    assert '"value":0.77' in overview(limits=LIMITS | {"HighErrorRate": 0.77})


def test_what_the_stack_does_not_watch_has_no_dashboard() -> None:
    infrastructure = f"grafana-dashboards-{Folder.INFRASTRUCTURE.slug}"
    there = grafana().only("ConfigMap", infrastructure)["data"]
    without = grafana(absent_jobs=frozenset({"redis-exporter"})).only("ConfigMap", infrastructure)["data"]
    assert set(there) - set(without) == {"redis.json"}
