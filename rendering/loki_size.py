"""How large a Loki has to be for the lines it is sent: what Loki's own documentation says of both layouts.

For whole processes: https://grafana.com/docs/loki/latest/get-started/deployment-modes/; for microservices the first
table of https://grafana.com/docs/loki/latest/setup/size/ ("less than 3 TB a day"). Neither was measured here.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

# Copies of each line when there are several replicas; a line is taken in when most of them have it.
REPLICATION_FACTOR = 3
# GB of lines a day that one whole process takes in and answers for.
GB_PER_DAY_OF_A_PROCESS = 20
# GB of lines a day that the replicas of MICROSERVICES are for; beyond that the documentation has other pods.
GB_PER_DAY_OF_MICROSERVICES = 3000

Microservice = Literal[
    "distributor", "ingester", "querier", "query-frontend", "query-scheduler", "index-gateway", "compactor", "ruler"
]
NAMES: tuple[Microservice, ...] = get_args(Microservice)


@dataclass(frozen=True, kw_only=True)
class Size:
    """One microservice: what a replica asks for, and how many there are."""

    cpu_millicores: int
    memory_mib: int
    replicas: int  # at GB_PER_DAY_OF_MICROSERVICES
    least: int = 2  # so that one may be away; one where two would do the same work twice


# The ruler is not in the documentation's table, which says of what evaluates rules: size it like a querier.
MICROSERVICES: Mapping[Microservice, Size] = {
    "distributor": Size(cpu_millicores=2000, memory_mib=512, replicas=4),
    "ingester": Size(cpu_millicores=2000, memory_mib=4096, replicas=6, least=REPLICATION_FACTOR),
    "querier": Size(cpu_millicores=1000, memory_mib=1024, replicas=10),
    "query-frontend": Size(cpu_millicores=1000, memory_mib=2048, replicas=2),
    "query-scheduler": Size(cpu_millicores=1000, memory_mib=512, replicas=2),
    "index-gateway": Size(cpu_millicores=500, memory_mib=2048, replicas=4),
    "compactor": Size(cpu_millicores=2000, memory_mib=10240, replicas=1, least=1),
    "ruler": Size(cpu_millicores=1000, memory_mib=1024, replicas=2),
}


def required_replicas(log_gb_per_day: float) -> int:
    """Whole processes for that load: one, or as many as it takes when each line is kept REPLICATION_FACTOR times."""
    if log_gb_per_day <= GB_PER_DAY_OF_A_PROCESS:
        return 1
    return math.ceil(REPLICATION_FACTOR * log_gb_per_day / GB_PER_DAY_OF_A_PROCESS)


def required_of(name: Microservice, log_gb_per_day: float) -> int:
    """Replicas of one microservice for that load: its share of the documentation's, and never too few to lose one."""
    size = MICROSERVICES[name]
    return max(size.least, math.ceil(size.replicas * log_gb_per_day / GB_PER_DAY_OF_MICROSERVICES))
