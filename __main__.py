"""Wiring only: settings -> shared -> components -> exports. One way, no way back."""

import gc
from pathlib import Path

# While a run imports Pulumi's thousands of classes, the collector would look through all of them again and again: a
# seventh of a preview, and for a process that lives for one run there is next to nothing to collect.
gc.disable()

import pulumi
import pulumi_kubernetes as kubernetes

from components import alertmanager, alerts, cost, grafana, jaeger, loki, prometheus, settings
from components import backup as backups
from components.alloy import Alloy, AlloyArgs
from components.elasticsearch import Elasticsearch, ElasticsearchArgs
from components.exporters import ExporterImages, Exporters, ExportersArgs
from components.foundation import Foundation, FoundationArgs
from components.grafana_access import GrafanaAccess, GrafanaAccessArgs
from components.guards import check_existing_secrets, guard_cluster
from components.images import Catalogue
from components.log_limits import check_log_limits
from components.object_store import ObjectStore, ObjectStoreArgs
from components.promtail import Promtail, PromtailArgs
from components.shared import SharedOutputs
from rendering.dashboards.dropped_in import DashboardError
from rendering.datasources import DatasourceUrls
from rendering.declarations import DeclarationError, check_owners, load_platform, load_teams
from rendering.prices import CostError
from rendering.profiles import Profile
from rendering.rules import RuleError

CONFIGS = Path(__file__).resolve().parent / "configs"


def main() -> None:
    loaded = settings.load()
    chosen, secrets = loaded.settings, loaded.secrets
    images = Catalogue(CONFIGS / "versions.yaml", chosen.images)
    platform = load_platform(CONFIGS / "services.yaml")
    teams = load_teams(CONFIGS / "teams.yaml")
    check_owners(platform, teams)
    alerts.check_alerts(chosen.prometheus, teams)
    thresholds = alerts.thresholds(chosen.prometheus, chosen.span_store)
    check_log_limits(chosen, services=len(platform.services))
    costs = cost.figures(chosen, platform)
    monthly_cost_usd = cost.announced(costs)
    _warn(chosen)
    shared = SharedOutputs(
        environment=chosen.environment,
        cluster=chosen.cluster,
        stack=loaded.stack,
        namespace=chosen.namespaces.monitoring,
        agents_namespace=chosen.namespaces.agents,
        pull_secrets=chosen.images.pull_secrets,
        existing_secrets=chosen.existing_secrets,
        protect_data=chosen.protect_data,
    )
    context = chosen.kubernetes_context or None
    guard_cluster(loaded.stack, context)
    check_existing_secrets(shared.namespace, loaded.existing_secrets, context)
    cluster = kubernetes.Provider(
        "kubernetes",
        context=context,
        enable_server_side_apply=True,
        # an edit changes the object in place: pods that mount it see it, none is left on a replaced one
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
    )
    on_cluster = pulumi.ResourceOptions(providers=[cluster])
    foundation = Foundation("foundation", FoundationArgs(shared=shared, settings=chosen.namespaces), on_cluster)
    within = pulumi.ResourceOptions(providers=[cluster], depends_on=[foundation])
    bucket = ObjectStore(
        "object-store",
        ObjectStoreArgs(
            shared=shared,
            settings=chosen.object_store,
            retention_days=chosen.loki.retention_days,
            chunk_prefixes=loki.chunk_prefixes(chosen.loki, shared.environment),
            service_accounts=loki.service_accounts(chosen.loki),
            backup_prefix=backups.PREFIX,
            backup_keep_days=chosen.backup.keep_days,
            backup_service_account=backups.TOOL,
        ),
    )
    endpoint_of = {
        "prometheus": prometheus.endpoint(shared.namespace),
        "alertmanager": alertmanager.endpoint(shared.namespace),
        "loki": loki.endpoint(shared.namespace),
        "jaeger": jaeger.query_endpoint(shared.namespace),
        "grafana": grafana.endpoint(shared.namespace),
    }
    exposure_of = {tool: getattr(chosen, tool).exposure for tool in endpoint_of}
    urls = {tool: exposure_of[tool].url or endpoint.url for tool, endpoint in endpoint_of.items()}
    s3_keys = (
        {name: secrets[name] for name in loki.S3_KEYS if name in secrets} if chosen.object_store.endpoint else None
    )
    # These two first, for they take longest to be Ready.
    logs = loki.Loki(
        "loki",
        loki.LokiArgs(
            shared=shared,
            settings=chosen.loki,
            image=images.reference("loki"),
            busybox_image=images.reference("busybox"),
            memcached_image=images.reference("memcached"),
            nginx_image=images.reference("nginx"),
            bucket=chosen.object_store.bucket,
            region=loaded.region,
            service_count=len(platform.services),
            nodes=chosen.load.nodes,
            log_gb_per_day=chosen.load.log_gb_per_day,
            alertmanager=endpoint_of["alertmanager"],
            prometheus=endpoint_of["prometheus"],
            rules=alerts.rule_files(loki.TOOL, chosen.prometheus, urls["grafana"], collector=chosen.logs.collector),
            s3_endpoint=chosen.object_store.endpoint,
            role_arn=bucket.role_arn,
            s3_keys=s3_keys,
            gateway_htpasswd=secrets.get("loki_gateway_htpasswd"),
        ),
        pulumi.ResourceOptions.merge(within, pulumi.ResourceOptions(depends_on=[bucket])),
    )
    ui = grafana.Grafana(
        "grafana",
        grafana.GrafanaArgs(
            shared=shared,
            settings=chosen.grafana,
            image=images.reference("grafana"),
            admin_password=secrets.get("grafana_admin_password"),
            secret_key=secrets.get("grafana_secret_key"),
            platform=platform,
            datasources=DatasourceUrls(
                prometheus=endpoint_of["prometheus"].url,
                loki=endpoint_of["loki"].url,
                jaeger=endpoint_of["jaeger"].url,
                alertmanager=endpoint_of["alertmanager"].url,
                loki_tenant=chosen.loki.own_tenant(shared.environment),
                scrape_interval_seconds=chosen.prometheus.scrape_interval_seconds,
            ),
            runbook_base_url=chosen.prometheus.runbook_base_url,
            limits=alerts.limits(chosen.prometheus, thresholds),
            costs=costs if monthly_cost_usd else None,
            collector=chosen.logs.collector,
            absent_jobs=chosen.exporters.absent_jobs,
            oidc_client_secret=secrets.get("grafana_oidc_client_secret"),
            database_password=secrets.get("grafana_database_password"),
        ),
        within,
    )
    spans = Elasticsearch(
        "span-store",
        ElasticsearchArgs(
            shared=shared,
            settings=chosen.span_store,
            image=images.reference("opensearch"),
            python_image=images.reference("python"),
            index_prefix=jaeger.index_prefix(shared.environment),
            retention_hours=chosen.jaeger.retention_hours,
            password=secrets.get("span_store_password"),
            master_password=secrets.get("span_store_master_password"),
            key=secrets.get("span_store_key"),
        ),
        within,
    )
    alertmanager.Alertmanager(
        "alertmanager",
        alertmanager.AlertmanagerArgs(
            shared=shared,
            settings=chosen.alertmanager,
            image=images.reference("alertmanager"),
            teams=teams,
            secrets={name: secrets[name] for name in alertmanager.SECRETS if name in secrets},
        ),
        within,
    )
    prometheus.Prometheus(
        "prometheus",
        prometheus.PrometheusArgs(
            shared=shared,
            settings=chosen.prometheus,
            image=images.reference("prometheus"),
            platform=platform,
            profile=Profile(chosen.profile),
            alertmanagers=alertmanager.addresses(shared.namespace, chosen.alertmanager.replicas),
            collector=chosen.logs.collector,
            absent_jobs=chosen.exporters.absent_jobs,
            urls=urls,
            span_store_url=spans.url if spans.store.tls else None,
            thresholds=thresholds,
        ),
        within,
    )
    Exporters(
        "exporters",
        ExportersArgs(
            shared=shared,
            settings=chosen.exporters,
            images=ExporterImages.of(images.reference),
            blackbox_config=(CONFIGS / "prometheus" / "blackbox.yaml").read_text(),
            postgresql_password=secrets.get("postgresql_password"),
            redis_password=secrets.get("redis_password"),
            span_store=spans.store,
        ),
        within,
    )
    collector = PromtailArgs(
        shared=shared,
        settings=chosen.logs,
        image=images.reference(chosen.logs.collector),
        services=platform.services,
        loki=endpoint_of["loki"],
        limits=chosen.loki,
        outlived_by=(logs.workload,),
    )
    if chosen.logs.collector == "alloy":
        Alloy("alloy", AlloyArgs(collector=collector, busybox_image=images.reference("busybox")), within)
    else:
        Promtail("promtail", collector, within)
    traces = jaeger.Jaeger(
        "jaeger",
        jaeger.JaegerArgs(
            shared=shared,
            settings=chosen.jaeger,
            image=images.reference("jaeger"),
            python_image=images.reference("python"),
            store=spans.store,
            platform=platform,
            prometheus=endpoint_of["prometheus"],
            grafana_url=urls["grafana"],
        ),
        within,  # its pods wait for the store themselves, and say so
    )
    GrafanaAccess(
        "grafana-access",
        GrafanaAccessArgs(
            shared=shared,
            image=images.reference("python"),
            grafana=ui.endpoint,
            admin_secret=grafana.SECRET,
            teams=teams,
        ),
        within,  # its job waits for Grafana itself
    )
    backups.Backup(
        "grafana-backup",
        backups.BackupArgs(
            shared=shared,
            settings=chosen.backup,
            python_image=images.reference("python"),
            aws_image=images.reference("aws_cli"),
            postgres_image=images.reference("postgres"),
            bucket=chosen.object_store.bucket,
            region=loaded.region,
            grafana=grafana.TOOL,
            grafana_claim=grafana.CLAIM,
            user=grafana.USER,
            alertmanager=endpoint_of["alertmanager"],
            database=chosen.grafana.database,
            s3_endpoint=chosen.object_store.endpoint,
            role_arn=bucket.backup_role_arn,
            s3_secret=loki.S3_SECRET if chosen.object_store.endpoint else None,
        ),
        # Destroy ends its pods first: a volume does not go while a pod, even one that is through, has it.
        pulumi.ResourceOptions.merge(within, pulumi.ResourceOptions(depends_on=[ui])),
    )

    pulumi.export("namespace", shared.namespace)
    pulumi.export("urls", urls)
    pulumi.export("endpoints", {tool: endpoint.url for tool, endpoint in endpoint_of.items()})
    pulumi.export("otlp_endpoint", traces.otlp.url)
    pulumi.export("sampling_endpoint", traces.sampling.url)
    pulumi.export("bucket", bucket.bucket)
    pulumi.export("span_store_url", spans.url)
    pulumi.export("monthly_cost_usd", monthly_cost_usd)
    if "grafana_admin_password" in secrets:  # else it is in a Secret that the stack does not own
        pulumi.export("grafana_admin_password", secrets["grafana_admin_password"])


def _warn(chosen: settings.Settings) -> None:
    """Of what is allowed and seldom meant."""
    if not chosen.kubernetes_context and chosen.profile == "eks":
        pulumi.log.warn("kubernetes_context is not set: this goes to whichever cluster kubectl points at")
    if not chosen.alertmanager.heartbeat_enabled:
        pulumi.log.warn("alertmanager.heartbeat_enabled is false: when Prometheus or Alertmanager dies, nobody is told")


try:
    main()
except (settings.SettingsError, DeclarationError, RuleError, DashboardError, CostError) as error:
    raise pulumi.RunError(str(error)) from None
