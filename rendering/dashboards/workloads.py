"""Pods and what runs them: wanted and there, restarts, reasons for waiting, use against limits, quotas."""

from rendering.dashboards import panels
from rendering.dashboards.board import Board, Row, Variable
from rendering.dashboards.links import TO_ALERTS, TO_LOGS, TO_NODES, TO_SERVICES, TO_VOLUMES, Uid, to
from rendering.dashboards.panels import HALF, ORANGE, QUARTER, RED, THIRD
from rendering.dashboards.queries import Promql
from rendering.datasources import Folder

LINKS = (TO_SERVICES, TO_NODES, TO_VOLUMES, TO_LOGS, TO_ALERTS)
POD_LOGS = to(Uid.LOGS, "Logs of this pod", pod="${__field.labels.pod}")
WHERE = '{namespace=~"$namespace"}'


def board() -> Board:
    return Board(
        uid=Uid.WORKLOADS,
        folder=Folder.INFRASTRUCTURE,
        title="Kubernetes workloads",
        about="Is everything there that should be, does it stay up, and does it keep within its limits?",
        variables=[Variable("namespace", "Namespace", "label_values(kube_pod_info, namespace)", several=True)],
        rows=[_health(), _workloads(), _limits(), _quotas()],
    )


def _health() -> Row:
    starting = "ContainerCreating|PodInitializing"
    waiting = f'kube_pod_container_status_waiting_reason{{namespace=~"$namespace", reason!~"{starting}"}}'
    return Row(
        "Health",
        [
            panels.number(
                title="Pods running",
                about="Pods in phase Running.",
                queries=[Promql('sum(kube_pod_status_phase{namespace=~"$namespace", phase="Running"})', instant=True)],
                unit="short",
                links=LINKS,
                sparkline=False,
                width=QUARTER,
            ),
            panels.number(
                title="Pods not ready",
                about="Pods that run or wait to, and do not answer their readiness probe.",
                queries=[
                    Promql(
                        'sum(kube_pod_status_ready{namespace=~"$namespace", condition="false"} '
                        "unless on (namespace, pod) "
                        'kube_pod_status_phase{namespace=~"$namespace", phase="Succeeded"} == 1) or vector(0)',
                        instant=True,
                    )
                ],
                unit="short",
                links=LINKS,
                sparkline=False,
                width=QUARTER,
                thresholds=[(1, ORANGE)],
            ),
            panels.number(
                title="Containers waiting",
                about="Containers that wait for a bad reason: crash loop, image that cannot be had, configuration.",
                queries=[Promql(f"sum({waiting}) or vector(0)", instant=True)],
                unit="short",
                links=LINKS,
                sparkline=False,
                width=QUARTER,
                thresholds=[(1, RED)],
            ),
            panels.number(
                title="Restarts in the last hour",
                about="Container restarts, all of them together.",
                queries=[Promql(f"sum(increase(kube_pod_container_status_restarts_total{WHERE}[1h]))", instant=True)],
                unit="short",
                links=LINKS,
                sparkline=False,
                width=QUARTER,
                thresholds=[(1, ORANGE), (5, RED)],
                decimals=0,
            ),
        ],
    )


def _workloads() -> Row:
    missing = " or ".join(
        f'label_replace(kube_{kind}_{wanted}{WHERE} - kube_{kind}_{there}{WHERE}, "workload", "$1", "{kind}", "(.+)")'
        for kind, wanted, there in (
            ("deployment", "spec_replicas", "status_replicas_available"),
            ("statefulset", "replicas", "status_replicas_ready"),
            ("daemonset", "status_desired_number_scheduled", "status_number_available"),
        )
    )
    return Row(
        "Workloads",
        [
            panels.graph(
                title="Replicas missing",
                about="Replicas wanted and not available. Short bumps are rollouts; what stays is trouble.",
                queries=[Promql(f"sum by (namespace, workload) ({missing}) > 0", "{{namespace}}/{{workload}}")],
                unit="short",
                links=LINKS,
                width=THIRD,
                thresholds=[(1, ORANGE)],
                when_empty="Nothing is missing",
            ),
            panels.graph(
                title="Restarts",
                about="Restarts within 15 minutes, by pod. More than two raise PodRestarting.",
                queries=[
                    Promql(f"max by (namespace, pod) (pod:restarts:increase15m{WHERE}) > 0", "{{namespace}}/{{pod}}")
                ],
                unit="short",
                links=LINKS,
                series_link=POD_LOGS,
                width=THIRD,
                thresholds=[(panels.Alert("PodRestarting"), RED)],
                when_empty="No restarts",
            ),
            panels.graph(
                title="Why containers wait or ended",
                about="Containers by reason: CrashLoopBackOff, ImagePullBackOff, OOMKilled and the like.",
                queries=[
                    Promql(
                        f"sum by (reason) (kube_pod_container_status_waiting_reason{WHERE}) > 0", "waiting: {{reason}}"
                    ),
                    Promql(
                        f"sum by (reason) (kube_pod_container_status_last_terminated_reason{WHERE}) > 0",
                        "last ended: {{reason}}",
                    ),
                ],
                unit="short",
                links=LINKS,
                width=THIRD,
                when_empty="All containers run and none has ended",
            ),
        ],
    )


def _limits() -> Row:
    return Row(
        "Use against limits",
        [
            panels.bars(
                title="Memory of the limit, the fullest pods",
                about="The fullest container's share of its limit. At 1 it is killed.",
                queries=[
                    Promql(
                        f"topk(15, max by (namespace, pod) (pod:memory_limit:ratio{WHERE}))",
                        "{{namespace}}/{{pod}}",
                        instant=True,
                    )
                ],
                unit="percentunit",
                links=LINKS,
                series_link=POD_LOGS,
                minimum=0,
                maximum=1,
                thresholds=panels.above("HighMemoryUsage", "CriticalMemoryUsage"),
                height=10,
                width=THIRD,
            ),
            panels.bars(
                title="CPU of the limit, the busiest pods",
                about="The busiest container's share of its limit. At 1 it is slowed down.",
                queries=[
                    Promql(
                        f"topk(15, max by (namespace, pod) (pod:cpu_limit:ratio_rate5m{WHERE}))",
                        "{{namespace}}/{{pod}}",
                        instant=True,
                    )
                ],
                unit="percentunit",
                links=LINKS,
                series_link=POD_LOGS,
                minimum=0,
                maximum=1,
                thresholds=panels.above("HighCPUUsage", "CriticalCPUUsage"),
                height=10,
                width=THIRD,
            ),
            panels.graph(
                title="Slowed down",
                about="Share of time slices in which a pod was held back at its CPU limit: the ten worst.",
                queries=[
                    Promql(
                        f"topk(10, max by (namespace, pod) (pod:cpu_throttled:ratio_rate5m{WHERE}))",
                        "{{namespace}}/{{pod}}",
                    )
                ],
                unit="percentunit",
                links=LINKS,
                series_link=POD_LOGS,
                height=10,
                width=THIRD,
                thresholds=panels.near("CPUThrottlingHigh", 0.5),
            ),
            panels.graph(
                title="Memory, by service",
                about="Memory that counts against limits, by service: the fifteen largest.",
                queries=[Promql(f"topk(15, {_by_service('service:memory_working_set_bytes:sum')})", "{{service}}")],
                unit="bytes",
                links=LINKS,
                width=HALF,
                stacked=True,
            ),
            panels.graph(
                title="CPU, by service",
                about="Cores used, by service: the fifteen busiest.",
                queries=[Promql(f"topk(15, {_by_service('service:cpu_usage_cores:rate5m')})", "{{service}}")],
                unit="short",
                links=LINKS,
                width=HALF,
                stacked=True,
            ),
        ],
    )


def _by_service(metric: str) -> str:
    """Summed by service; pods that belong to none (the cluster's own) together under a name of their own."""
    return f'label_replace(sum by (service) ({metric}{WHERE}), "service", "cluster\'s own", "service", "")'


def _quotas() -> Row:
    used = 'max by (namespace, resource) (kube_resourcequota{namespace=~"$namespace", type="used"})'
    hard = 'max by (namespace, resource) (kube_resourcequota{namespace=~"$namespace", type="hard"} > 0)'
    return Row(
        "Quotas",
        [
            panels.bars(
                title="Use of quotas",
                about="Share of each namespace's quota in use. At 1 the next pod is refused.",
                queries=[Promql(f"sort_desc({used} / {hard})", "{{namespace}} {{resource}}", instant=True)],
                unit="percentunit",
                links=LINKS,
                minimum=0,
                maximum=1,
                thresholds=panels.near("KubernetesQuotaAlmostUsed", 0.85),
                width=HALF,
                when_empty="No quotas",
            ),
            panels.graph(
                title="Network, by namespace",
                about="Bytes per second received and sent by the pods of each namespace.",
                queries=[
                    Promql(
                        f"sum by (namespace) (service:network_receive_bytes:rate5m{WHERE})",
                        "{{namespace}} in",
                    ),
                    Promql(
                        f"sum by (namespace) (service:network_transmit_bytes:rate5m{WHERE})",
                        "{{namespace}} out",
                    ),
                ],
                unit="Bps",
                links=LINKS,
                width=HALF,
            ),
        ],
    )
