"""Grafana: where people look. Needs the addresses of what it shows, and nothing of how they came to be."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pulumi
from pulumi_kubernetes import core

from components import grafana_database
from components.settings.tools import GrafanaSettings, OidcSettings
from components.shared import Endpoint, SharedOutputs
from components.tool_secret import tool_secret, versions
from components.workload import Workload, WorkloadArgs
from components.workload.pod import ConfigMapFiles, Container, Data, EmptyDir, Mount, Probe, SecretFiles, SecretKey
from components.workload.spec import checksum, claim_name, metadata
from rendering.collectors import Collector
from rendering.cost import Figures
from rendering.dashboards import all_dashboards
from rendering.datasources import (
    DASHBOARDS_DIRECTORY,
    DatasourceUrls,
    Folder,
    render_datasources,
    render_providers,
)
from rendering.declarations import Platform

TOOL = "grafana"
COMPONENT = "ui"
PORT = 3000
USER = 472  # of the image
CLAIM = claim_name(TOOL, 0)  # of its volume
CONFIGS = Path(__file__).resolve().parents[1] / "configs" / "grafana"

# The binary itself: the image's start script would write to its read-only root.
BINARY = "/usr/share/grafana/bin/grafana"
_INSTALLATION = ("--homepath=/usr/share/grafana", "--config=/etc/grafana/config/grafana.ini")

SECRET = grafana_database.PASSWORD_SECRET
OIDC_SECRET_KEY = "oidc-client-secret"
SECRETS_DIRECTORY = f"/etc/{TOOL}/secrets"
PROVISIONING_DIRECTORY = f"/etc/{TOOL}/provisioning"
# What Grafana looks for and would warn about if it were not there; we provision none of it.
UNUSED_PROVISIONING = ("plugins", "alerting", "notifiers")


def endpoint(namespace: str) -> Endpoint:
    """Where Grafana answers inside the cluster: pages and API."""
    return Endpoint(name=TOOL, namespace=namespace, port=PORT)


@dataclass(frozen=True, kw_only=True)
class GrafanaArgs:
    shared: SharedOutputs
    settings: GrafanaSettings
    image: str
    # None: they are in an existing Secret.
    admin_password: pulumi.Output[str] | None
    secret_key: pulumi.Output[str] | None  # Grafana encrypts secrets in its database with it
    platform: Platform
    datasources: DatasourceUrls
    runbook_base_url: str  # the alerts' dashboard leads to <it>/<Alert>.md
    limits: Mapping[str, float]  # thresholds in force by alert, which panels draw
    collector: Collector  # of logs; one dashboard is about it
    costs: Figures | None = None  # no dashboard Cost without
    absent_jobs: frozenset[str] = frozenset()  # scrape jobs that this stack does not have; nor dashboards about them
    oidc_client_secret: pulumi.Output[str] | None = None  # needed where settings.oidc is set
    database_password: pulumi.Output[str] | None = None  # needed where settings.database is set


class Grafana(pulumi.ComponentResource):
    """Grafana with its datasources and dashboards provisioned. What people make of it is in a file on a volume, or in
    PostgreSQL, which any number of replicas share.
    """

    endpoint: Endpoint
    url: str

    def __init__(self, name: str, args: GrafanaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("observability:index:Grafana", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        labels = args.shared.labels(TOOL, COMPONENT)

        def config_map(role: str, data: Mapping[str, str]) -> core.v1.ConfigMap:
            described = metadata(f"{TOOL}-{role}", args.shared.namespace, labels)
            return core.v1.ConfigMap(f"{name}-{role}", metadata=described, data=data, opts=child)

        # Read at start only, so a change of these rolls the pod. Dashboards are read again every half minute.
        files = {
            "config": {"grafana.ini": (CONFIGS / "grafana.ini").read_text(encoding="utf-8")},
            "datasources": {"datasources.yaml": render_datasources(args.datasources)},
            "providers": {"providers.yaml": render_providers()},
        }
        database = args.settings.database
        if database is not None and database.ca is not None:
            files["database-ca"] = {grafana_database.CA_KEY: database.ca}
        objects: list[pulumi.Resource] = [config_map(role, data) for role, data in files.items()]
        for folder, dashboards in _dashboards(args).items():
            texts = {f"{uid}.json": text for uid, text in dashboards.items()}
            objects.append(config_map(f"dashboards-{folder.slug}", texts))
        secrets = tool_secret(
            f"{name}-secrets", shared=args.shared, name=SECRET, labels=labels, values=_secrets(args), parent=self
        )
        objects += secrets
        Workload(
            name,
            WorkloadArgs(
                shared=args.shared,
                tool=TOOL,
                component=COMPONENT,
                # With a file the old pod goes before the new one comes: two would write to it. With PostgreSQL the new
                # one comes first.
                kind="StatefulSet" if database is None else "Deployment",
                replicas=args.settings.replicas,
                user=USER,
                init_containers=(_password(args),),
                containers=(_container(args),),
                storage=args.settings.storage if database is None else None,
                service_ports={"http": PORT},
                exposure=args.settings.exposure,
                # A changed secret too: it is read at the start only.
                config_checksum=pulumi.Output.concat(checksum(*files.values()), versions(secrets)),
            ),
            pulumi.ResourceOptions(parent=self, depends_on=objects),
        )
        self.endpoint = endpoint(args.shared.namespace)
        self.url = _url(args)
        self.register_outputs({"url": self.url})


def _url(args: GrafanaArgs) -> str:
    """What people type: it decides on redirects, links in messages and whether cookies need TLS."""
    return args.settings.exposure.url or endpoint(args.shared.namespace).url


def _dashboards(args: GrafanaArgs) -> dict[Folder, dict[str, str]]:
    return all_dashboards(
        args.platform.services,
        runbook_base_url=args.runbook_base_url,
        team_directory=CONFIGS / "dashboards",
        costs=args.costs,
        collector=args.collector,
        absent_jobs=args.absent_jobs,
        limits=args.limits,
    )


def _secrets(args: GrafanaArgs) -> dict[str, pulumi.Input[str]]:
    values = {
        "admin-password": args.admin_password,
        "secret-key": args.secret_key,
        OIDC_SECRET_KEY: args.oidc_client_secret,
        grafana_database.PASSWORD_KEY: args.database_password,
    }
    return {key: value for key, value in values.items() if value is not None}


def _environment(args: GrafanaArgs) -> dict[str, str]:
    """What differs per stack, as variables that Grafana lays over grafana.ini."""
    url = _url(args)
    variables = {
        "GF_SERVER_ROOT_URL": f"{url}/",
        "GF_SERVER_SERVE_FROM_SUB_PATH": _ini(bool(urlsplit(url).path)),
        # Over plain http a browser would never send a secure cookie back, and nobody could log in.
        "GF_SECURITY_COOKIE_SECURE": _ini(url.startswith("https://")),
        "GF_METRICS_ENVIRONMENT_INFO_ENVIRONMENT": args.shared.environment,
    }
    if args.settings.database is not None:
        variables |= grafana_database.server_variables(args.settings.database, SECRETS_DIRECTORY)
    if args.settings.oidc is not None:
        variables |= single_sign_on_variables(args.settings.oidc, SECRETS_DIRECTORY)
    return variables


def single_sign_on_variables(oidc: OidcSettings, secrets_directory: str) -> dict[str, str]:
    """What makes Grafana ask the provider; the client's secret is a file in `secrets_directory`."""
    return {
        "GF_AUTH_GENERIC_OAUTH_ENABLED": "true",
        "GF_AUTH_GENERIC_OAUTH_NAME": oidc.name,
        "GF_AUTH_GENERIC_OAUTH_CLIENT_ID": oidc.client_id,
        "GF_AUTH_GENERIC_OAUTH_CLIENT_SECRET": f"$__file{{{secrets_directory}/{OIDC_SECRET_KEY}}}",
        "GF_AUTH_GENERIC_OAUTH_AUTH_URL": oidc.auth_url,
        "GF_AUTH_GENERIC_OAUTH_TOKEN_URL": oidc.token_url,
        "GF_AUTH_GENERIC_OAUTH_API_URL": oidc.api_url,
        "GF_AUTH_GENERIC_OAUTH_SCOPES": " ".join(oidc.scopes),
        "GF_AUTH_GENERIC_OAUTH_GROUPS_ATTRIBUTE_PATH": oidc.groups_claim,
        "GF_AUTH_GENERIC_OAUTH_ROLE_ATTRIBUTE_PATH": _role_of_groups(oidc),
    }


def _role_of_groups(oidc: OidcSettings) -> str:
    """A JMESPath that turns the groups in a token into a role; without a match, nobody is let in.

    Grafana asks it of the ID token, then of the user info, each time also of a document of nothing but the groups, and
    takes the first role that it gets. To `contains` alone a missing claim is an error, and not even a viewer would get
    in. Where groups are missing, only the user info (it has a subject and no expiry) says that none are to come.
    """
    wanted = (("Admin", oidc.admin_group), ("Editor", oidc.editor_group), ("Viewer", oidc.viewer_group))
    cases = [
        f"contains({oidc.groups_claim}[*] || `[]`, '{group}') && '{role}'"
        for role, group in wanted
        if group is not None
    ]
    everyone = [f"({oidc.groups_claim} || sub && !exp) && 'Viewer'"] if oidc.viewer_group is None else []
    return " || ".join([*cases, *everyone])


def _ini(value: bool) -> str:
    return "true" if value else "false"


def _password(args: GrafanaArgs) -> Container:
    """Sets the admin's password to the secret's at each start: the variable is read at the very first only.

    As an argument, since the tool takes it from no file and the image's shell is not in every build; it is visible for
    the second that the command runs, on the node and to its root.
    """
    return Container(
        name="admin-password",
        image=args.image,
        command=(BINARY, "cli"),
        # What follows `--` is no flag, even when a password begins with a dash.
        args=(*_INSTALLATION, "admin", "reset-admin-password", "--", "$(ADMIN_PASSWORD)"),
        env={**_environment(args), "ADMIN_PASSWORD": SecretKey(secret=SECRET, key="admin-password")},
        mounts=_state(args.settings),
        resources=args.settings.resources,
    )


def _container(args: GrafanaArgs) -> Container:
    resources = args.settings.resources
    dashboards = (
        Mount(
            name=f"dashboards-{folder.slug}",
            path=f"{DASHBOARDS_DIRECTORY}/{folder.slug}",
            source=ConfigMapFiles(name=f"{TOOL}-dashboards-{folder.slug}"),
        )
        for folder in Folder
    )
    unused = (
        Mount(name=f"no-{kind}", path=f"{PROVISIONING_DIRECTORY}/{kind}", source=EmptyDir(size_mib=1))
        for kind in UNUSED_PROVISIONING
    )
    return Container(
        name=TOOL,
        image=args.image,
        command=(BINARY, "server"),
        args=_INSTALLATION,
        ports={"http-metrics": PORT},
        resources=resources,
        env={"GOMEMLIMIT": f"{resources.memory_limit_mib * 9 // 10}MiB", **_environment(args)},
        mounts=(
            *_state(args.settings),
            Mount(
                name="datasources",
                path=f"{PROVISIONING_DIRECTORY}/datasources",
                source=ConfigMapFiles(name="grafana-datasources"),
            ),
            Mount(
                name="providers",
                path=f"{PROVISIONING_DIRECTORY}/dashboards",
                source=ConfigMapFiles(name="grafana-providers"),
            ),
            *unused,
            *dashboards,
        ),
        # The first start makes some hundred tables.
        startup=Probe(path="/api/health", port=PORT, period_seconds=1, failure_threshold=300),
        readiness=Probe(path="/api/health", port=PORT),
        liveness=Probe(path="/api/health", port=PORT, failure_threshold=6),
    )


def _state(settings: GrafanaSettings) -> tuple[Mount, ...]:
    """What the server and its own command line tool both need: configuration, secrets, the database."""
    database = settings.database
    # Beside the database there is only what a pod can lose.
    data = Data() if database is None else EmptyDir(size_mib=256)
    return (
        Mount(name="config", path="/etc/grafana/config", source=ConfigMapFiles(name="grafana-config")),
        Mount(name="secrets", path=SECRETS_DIRECTORY, source=SecretFiles(name=SECRET)),
        Mount(name="data", path="/var/lib/grafana", source=data, read_only=False),
        Mount(name="tmp", path="/tmp", source=EmptyDir(size_mib=64), read_only=False),  # noqa: S108 - in the pod
        *(grafana_database.server_mounts(database) if database is not None else ()),
    )
