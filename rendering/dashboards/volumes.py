"""Persistent volumes: how full, how fast they fill, when they will be full."""

from rendering.dashboards import panels
from rendering.dashboards.board import Board, Row, Variable
from rendering.dashboards.links import TO_ALERTS, TO_NODES, TO_WORKLOADS, Uid
from rendering.dashboards.panels import GREEN, HALF, ORANGE, RED
from rendering.dashboards.queries import Promql
from rendering.datasources import Folder

LINKS = (TO_WORKLOADS, TO_NODES, TO_ALERTS)
WHERE = '{namespace=~"$namespace", persistentvolumeclaim=~"$claim"}'
CLAIM = "{{namespace}}/{{persistentvolumeclaim}}"
BY = "max by (namespace, persistentvolumeclaim)"
DAY = 24 * 3600


def board() -> Board:
    return Board(
        uid=Uid.VOLUMES,
        folder=Folder.INFRASTRUCTURE,
        title="Kubernetes volumes",
        about="How full each volume is, and when it will be full. A full volume stops what writes to it.",
        since="now-24h",
        variables=[
            Variable(
                "namespace", "Namespace", "label_values(kubelet_volume_stats_capacity_bytes, namespace)", several=True
            ),
            Variable(
                "claim",
                "Claim",
                'label_values(kubelet_volume_stats_capacity_bytes{namespace=~"$namespace"}, persistentvolumeclaim)',
                several=True,
            ),
        ],
        rows=[_now(), _trend()],
    )


def _now() -> Row:
    used = f"{BY} (kubelet_volume_stats_used_bytes{WHERE} / kubelet_volume_stats_capacity_bytes{WHERE})"
    inodes = f"{BY} (kubelet_volume_stats_inodes_used{WHERE} / (kubelet_volume_stats_inodes{WHERE} > 0))"
    free = f"kubelet_volume_stats_available_bytes{WHERE}"
    filling = f"deriv(kubelet_volume_stats_used_bytes{WHERE}[6h])"
    return Row(
        "Now",
        [
            panels.bars(
                title="Used",
                about="Share of each volume in use, the fullest first. Red: KubernetesPVCFull fires.",
                queries=[Promql(f"sort_desc({used})", CLAIM, instant=True)],
                unit="percentunit",
                links=LINKS,
                minimum=0,
                maximum=1,
                thresholds=panels.near("KubernetesPVCFull", 0.9),
                height=10,
            ),
            panels.listing(
                title="Claims",
                about="Size, use, and time until full at the pace of the last six hours (empty: not filling).",
                queries=[
                    Promql(f"{BY} (kubelet_volume_stats_capacity_bytes{WHERE})", instant=True),
                    Promql(f"{BY} (kubelet_volume_stats_used_bytes{WHERE})", instant=True),
                    Promql(used, instant=True),
                    Promql(inodes, instant=True),
                    Promql(f"{BY} ({free} / ({filling} > 0))", instant=True),
                ],
                columns=[
                    "namespace",
                    "persistentvolumeclaim",
                    "Value #A",
                    "Value #B",
                    "Value #C",
                    "Value #D",
                    "Value #E",
                ],
                renamed={
                    "namespace": "Namespace",
                    "persistentvolumeclaim": "Claim",
                    "Value #A": "Size",
                    "Value #B": "Used",
                    "Value #C": "Share used",
                    "Value #D": "Inodes used",
                    "Value #E": "Full in",
                },
                sort_by="Share used",
                units={"Share used": "percentunit", "Inodes used": "percentunit", "Full in": "s"},
                limits={
                    "Share used": panels.near("KubernetesPVCFull", 0.9),
                    "Inodes used": panels.near("KubernetesPVCInodesFull", 0.9),
                    "Full in": [(panels.FROM_BOTTOM, RED), (DAY, ORANGE), (4 * DAY, GREEN)],
                },
                unit="bytes",
                links=LINKS,
                width=HALF,
                height=10,
            ),
        ],
    )


def _trend() -> Row:
    return Row(
        "Trend",
        [
            panels.graph(
                title="Bytes used",
                about="Bytes in use, by volume.",
                queries=[Promql(f"{BY} (kubelet_volume_stats_used_bytes{WHERE})", CLAIM)],
                unit="bytes",
                links=LINKS,
            ),
            panels.graph(
                title="Bytes free",
                about="Bytes left, by volume.",
                queries=[Promql(f"{BY} (kubelet_volume_stats_available_bytes{WHERE})", CLAIM)],
                unit="bytes",
                links=LINKS,
            ),
            panels.graph(
                title="Claims, by phase",
                about="Claims bound to a volume, waiting for one, or that lost theirs.",
                queries=[
                    Promql(
                        'sum by (phase) (kube_persistentvolumeclaim_status_phase{namespace=~"$namespace"})', "{{phase}}"
                    )
                ],
                unit="short",
                links=LINKS,
            ),
            panels.graph(
                title="Inodes used",
                about="Share of each volume's inodes in use. Many small files fill a volume before its bytes do.",
                queries=[
                    Promql(
                        f"{BY} (kubelet_volume_stats_inodes_used{WHERE} / (kubelet_volume_stats_inodes{WHERE} > 0))",
                        CLAIM,
                    )
                ],
                unit="percentunit",
                links=LINKS,
                thresholds=panels.near("KubernetesPVCInodesFull", 0.9),
            ),
        ],
    )
