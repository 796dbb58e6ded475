"""The local AWS: moto's server, which answers S3, IAM, STS, OpenSearch and EC2 on the node's bridge.

moto keeps everything in memory: what was in it is gone when it ends.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
import httpx

from sandbox import processes
from sandbox.aws import firewall, ports

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

NAME = "moto"
PORT = 5000
REGION = "us-east-1"
_START_SECONDS = 60
# What an account has before the stack comes. moto draws ids from this seed, so they are the same on every machine and
# can stand in a stack file.
_SEED = 10
VPC_CIDR = "10.111.0.0/16"


@dataclass(frozen=True)
class Network:
    """The VPC and the subnet that a managed domain can be put in."""

    vpc_id: str
    subnet_id: str


def url(host: str) -> str:
    """The address of every AWS service."""
    return f"http://{host}:{PORT}"


def environment(endpoint_url: str) -> dict[str, str]:
    """The variables that make every AWS client speak to the local AWS there, and none to the real one."""
    return {
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",  # anything will do: the local AWS asks nobody who they are
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def client(service: str, address: str) -> Any:
    """A client of one service of the local AWS there."""
    clients: Any = boto3  # which of them it is, is known at run time only
    return clients.client(
        service,
        endpoint_url=address,
        region_name=REGION,
        aws_access_key_id="sandbox",
        aws_secret_access_key="sandbox",
    )


def up(host: str) -> None:
    """Starts moto on `host`, unless it runs. Raises SandboxError when it cannot listen or does not answer in time."""
    if not processes.alive(NAME):
        ports.require_free(host, PORT, NAME)
        processes.start(NAME, [sys.executable, "-m", "moto.server", "-H", host, "-p", str(PORT)])
    processes.wait_http(f"{url(host)}/moto-api/", _START_SECONDS, NAME)
    furnish(url(host))


def down() -> None:
    """Ends moto and whatever outage was being played."""
    firewall.open_all()
    processes.stop(NAME)


@contextmanager
def account() -> Iterator[str]:
    """An account of its own with nothing in it, in this process, for the length of the block; yields its address."""
    # Only previews and tests have one: the sandbox's commands need not wait for it to load.
    from moto.server import ThreadedMotoServer  # noqa: PLC0415

    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # it tells of every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    # Within one process all of moto's servers share their memory.
    httpx.post(f"{address}/moto-api/reset", trust_env=False, timeout=60).raise_for_status()
    try:
        yield address
    finally:
        server.stop()


@contextmanager
def outage(host: str) -> Iterator[None]:
    """Nobody gets an answer from the local AWS while the block runs; what is in it stays. Needs root."""
    with firewall.closed(host, PORT):
        yield


def network(host: str) -> Network:
    """The network that the account has had from the start."""
    ec2 = _ec2(url(host))
    vpcs = _vpcs(ec2)
    subnet = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": vpcs}])["Subnets"][0]["SubnetId"]
    return Network(vpcs[0], subnet)


def furnish(address: str) -> None:
    """Gives the account there the network that the sandbox's stack file names, unless it has it."""
    ec2 = _ec2(address)
    if _vpcs(ec2):  # which has made the region's default network too, with ids of its own
        return
    httpx.post(f"{address}/moto-api/seed", params={"a": _SEED}, trust_env=False, timeout=60).raise_for_status()
    vpc = ec2.create_vpc(CidrBlock=VPC_CIDR)["Vpc"]["VpcId"]
    ec2.create_subnet(VpcId=vpc, CidrBlock=VPC_CIDR)


def _vpcs(ec2: "EC2Client") -> list[str]:
    found = ec2.describe_vpcs(Filters=[{"Name": "cidr", "Values": [VPC_CIDR]}])["Vpcs"]
    return [vpc["VpcId"] for vpc in found]


@cache
def _ec2(address: str) -> "EC2Client":
    ec2: EC2Client = client("ec2", address)
    return ec2
