"""The functions of the AWS provider that the program calls (`aws.get_caller_identity()`, ...)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.aws.provider import policy_document
from sandbox.aws.provider.clients import Clients
from sandbox.aws.provider.shape import Fields, text


@dataclass(frozen=True)
class Function:
    """One function: the arguments it takes, the names of what it returns, and what it does."""

    arguments: Fields
    returns: tuple[str, ...]
    call: Callable[[Clients, Mapping[str, Any]], dict[str, Any]]


def _caller_identity(aws: Clients, _: Mapping[str, Any]) -> dict[str, Any]:
    me = aws.sts.get_caller_identity()
    return {"accountId": me["Account"], "arn": me["Arn"], "id": me["Account"], "userId": me["UserId"]}


def _partition(aws: Clients, _: Mapping[str, Any]) -> dict[str, Any]:
    china = aws.region.startswith("cn-")
    suffix = "amazonaws.com.cn" if china else "amazonaws.com"
    name = "aws-cn" if china else "aws-us-gov" if aws.region.startswith("us-gov-") else "aws"
    return {
        "dnsSuffix": suffix,
        "id": name,
        "partition": name,
        "reverseDnsPrefix": ".".join(reversed(suffix.split("."))),
    }


def _region(aws: Clients, arguments: Mapping[str, Any]) -> dict[str, Any]:
    name = arguments.get("region", aws.region)
    return {
        "description": name,
        "endpoint": f"ec2.{name}.amazonaws.com",
        "id": name,
        "name": name,
        "region": name,
    }


FUNCTIONS: dict[str, Function] = {
    "aws:iam/getPolicyDocument:getPolicyDocument": Function(
        policy_document.ARGUMENTS,
        (*policy_document.ARGUMENTS, "id", "json", "minifiedJson"),
        lambda _, arguments: policy_document.invoke(arguments),
    ),
    "aws:index/getCallerIdentity:getCallerIdentity": Function(
        {}, ("accountId", "arn", "id", "userId"), _caller_identity
    ),
    "aws:index/getPartition:getPartition": Function(
        {}, ("dnsSuffix", "id", "partition", "reverseDnsPrefix"), _partition
    ),
    "aws:index/getRegion:getRegion": Function(
        {"region": text()}, ("description", "endpoint", "id", "name", "region"), _region
    ),
}
