"""The cluster's nodes: are they ready, and what is left of CPU, memory, disk, network."""

from rendering.dashboards import panels
from rendering.dashboards.board import Board, Row, Variable
from rendering.dashboards.links import TO_ALERTS, TO_VOLUMES, TO_WORKLOADS, Uid, explore
from rendering.dashboards.panels import GREEN, HALF, ORANGE, RED, THIRD
from rendering.dashboards.queries import EVERY, Promql
from rendering.datasources import LOKI, Folder

LINKS = (TO_WORKLOADS, TO_VOLUMES, explore("System log", LOKI, '{job="systemd-journal"}'), TO_ALERTS)
NODE = '{node=~"$node"}'
IDLE = '{node=~"$node", mode="idle"}'
DISKS = '{node=~"$node", fstype!~"tmpfs|overlay|squashfs|ramfs"}'
CARDS = '{node=~"$node", device!~"lo|veth.*|cni.*|docker.*|br-.*|cali.*"}'


def board() -> Board:
    return Board(
        uid=Uid.NODES,
        folder=Folder.INFRASTRUCTURE,
        title="Kubernetes nodes",
        about="Are the nodes ready, and is there room on them?",
        variables=[Variable("node", "Node", "label_values(kube_node_info, node)", several=True)],
        rows=[_health(), _cpu_and_memory(), _disk_and_network()],
    )


def _health() -> Row:
    condition = 'sum by (node) (kube_node_status_condition{condition="Ready", status="true", node=~"$node"})'
    allocatable = 'sum(kube_node_status_allocatable{{resource="{}", node=~"$node"}})'.format
    return Row(
        "Health",
        [
            panels.tiles(
                title="Ready",
                about="Whether each node takes pods. KubernetesNodeNotReady fires after ten minutes.",
                queries=[Promql(condition, "{{node}}")],
                unit="none",
                links=LINKS,
                width=8,
                mappings=[(0, "not ready", RED), (1, "ready", GREEN)],
                thresholds=[(panels.FROM_BOTTOM, RED), (1, GREEN)],
            ),
            panels.number(
                title="Pods",
                about="Pods placed on these nodes, as a share of what they may hold.",
                queries=[Promql(f"sum(kubelet_running_pods{NODE}) / {allocatable('pods')}")],
                unit="percentunit",
                links=LINKS,
                thresholds=[(0.8, ORANGE), (0.95, RED)],
            ),
            panels.number(
                title="CPU requested",
                about="Share of the nodes' CPU that pods have asked for. At 1 no further pod finds a place.",
                queries=[Promql(f"sum(node:cpu_requested_cores:sum{NODE}) / {allocatable('cpu')}")],
                unit="percentunit",
                links=LINKS,
                thresholds=[(0.85, ORANGE), (0.95, RED)],
            ),
            panels.number(
                title="Memory requested",
                about="Share of the nodes' memory that pods have asked for.",
                queries=[Promql(f"sum(node:memory_requested_bytes:sum{NODE}) / {allocatable('memory')}")],
                unit="percentunit",
                links=LINKS,
                thresholds=[(0.85, ORANGE), (0.95, RED)],
            ),
            panels.number(
                title="Under pressure",
                about="Nodes that report pressure of memory, disk or processes: they begin to evict pods.",
                queries=[
                    Promql(
                        'sum(kube_node_status_condition{condition=~".*Pressure", status="true", node=~"$node"})'
                        " or vector(0)"
                    )
                ],
                unit="short",
                links=LINKS,
                thresholds=[(1, RED)],
            ),
        ],
    )


def _cpu_and_memory() -> Row:
    idle = f"avg by (node) (rate(node_cpu_seconds_total{IDLE}[{EVERY}]))"
    return Row(
        "CPU and memory",
        [
            panels.graph(
                title="CPU busy",
                about="Share of all cores in use, by node.",
                queries=[Promql(f"1 - {idle}", "{{node}}")],
                unit="percentunit",
                links=LINKS,
                width=THIRD,
                maximum=1,
                thresholds=[(panels.Alert("KubernetesNodeCPUHigh"), RED)],
            ),
            panels.graph(
                title="Load per core",
                about="Tasks that run or wait, per core, over five minutes. Over 1 they wait for each other.",
                queries=[
                    Promql(
                        f"max by (node) (node_load5{NODE}) / count by (node) (node_cpu_seconds_total{IDLE})",
                        "{{node}}",
                    )
                ],
                unit="short",
                links=LINKS,
                width=THIRD,
                thresholds=[(2, RED)],
            ),
            panels.graph(
                title="Memory used",
                about="Share of memory that is not available to new work, by node.",
                queries=[
                    Promql(
                        f"1 - max by (node) (node_memory_MemAvailable_bytes{NODE} / node_memory_MemTotal_bytes{NODE})",
                        "{{node}}",
                    )
                ],
                unit="percentunit",
                links=LINKS,
                width=THIRD,
                maximum=1,
                thresholds=[(0.9, RED)],
            ),
        ],
    )


def _disk_and_network() -> Row:
    used = f"1 - node_filesystem_avail_bytes{DISKS} / node_filesystem_size_bytes{DISKS}"
    return Row(
        "Disk and network",
        [
            panels.bars(
                title="Disks, the fullest",
                about="Share of each file system in use. Over 85 % the kubelet begins to throw out images and pods.",
                queries=[
                    Promql(f"topk(12, max by (node, mountpoint) ({used}))", "{{node}} {{mountpoint}}", instant=True)
                ],
                unit="percentunit",
                links=LINKS,
                minimum=0,
                maximum=1,
                thresholds=panels.near("KubernetesNodeFilesystemFull", 0.9),
                width=HALF,
            ),
            panels.graph(
                title="Disk busy",
                about="Share of time each node's disks had something to do.",
                queries=[
                    Promql(
                        f"max by (node, device) (rate(node_disk_io_time_seconds_total{NODE}[{EVERY}]))",
                        "{{node}} {{device}}",
                    )
                ],
                unit="percentunit",
                links=LINKS,
                thresholds=[(0.9, RED)],
                width=HALF,
            ),
            panels.graph(
                title="Network",
                about="Bytes per second received and sent over the nodes' own network cards.",
                queries=[
                    Promql(f"sum by (node) (rate(node_network_receive_bytes_total{CARDS}[{EVERY}]))", "{{node}} in"),
                    Promql(f"sum by (node) (rate(node_network_transmit_bytes_total{CARDS}[{EVERY}]))", "{{node}} out"),
                ],
                unit="Bps",
                links=LINKS,
                width=HALF,
            ),
            panels.graph(
                title="Network errors",
                about="Packets per second that were dropped or damaged.",
                queries=[
                    Promql(
                        f"sum by (node) (rate(node_network_receive_drop_total{CARDS}[{EVERY}]))", "{{node}} dropped"
                    ),
                    Promql(
                        f"sum by (node) (rate(node_network_receive_errs_total{CARDS}[{EVERY}]))", "{{node}} damaged"
                    ),
                ],
                unit="pps",
                links=LINKS,
                width=HALF,
                thresholds=[(1, ORANGE)],
            ),
        ],
    )
