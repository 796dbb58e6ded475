# ruff: noqa: ARG002 - the signatures are Resource's
"""OpenSearch domains. The domain is AWS's record of one; the process that serves it is the sandbox's own."""

import time
from collections.abc import Mapping
from typing import Any, ClassVar

from sandbox.aws.provider import managed_domain
from sandbox.aws.provider.api import from_api, to_api
from sandbox.aws.provider.errors import AwsError
from sandbox.aws.provider.resources.base import Resource, finish, tag_changes, tag_list, tag_map, unless_gone
from sandbox.aws.provider.shape import (
    Fields,
    Replaces,
    an_object,
    policy,
    text,
    text_map,
    texts,
    truth,
    whole,
)
from sandbox.aws.provider.wire import Values

GONE = "ResourceNotFoundException"
_WAIT_SECONDS = 60 * 60
_POLL_SECONDS = 10

_CLUSTER = {
    "dedicatedMasterCount": whole(),
    "dedicatedMasterEnabled": truth(),
    "dedicatedMasterType": text(),
    "instanceCount": whole(),
    "instanceType": text(),
    "multiAzWithStandbyEnabled": truth(api="MultiAZWithStandbyEnabled"),
    "warmCount": whole(),
    "warmEnabled": truth(),
    "warmType": text(),
    "zoneAwarenessConfig": an_object({"availabilityZoneCount": whole()}),
    "zoneAwarenessEnabled": truth(),
}
_MASTER_USER = {
    "masterUserArn": text(write_only=True, api="MasterUserARN"),
    "masterUserName": text(write_only=True),
    "masterUserPassword": text(write_only=True, secret=True),
}
_START = {"windowStartTime": an_object({"hours": whole(), "minutes": whole()})}


class Domain(Resource):
    type_name = "aws:opensearch/domain:Domain"
    fields: ClassVar[Fields] = {
        "accessPolicies": policy(),
        "advancedOptions": text_map(),
        "advancedSecurityOptions": an_object(
            {
                "enabled": truth(required=True, replaces=Replaces.TURNED_OFF),
                "anonymousAuthEnabled": truth(),
                "internalUserDatabaseEnabled": truth(),
                "masterUserOptions": an_object(_MASTER_USER),
            }
        ),
        "autoTuneOptions": an_object({"desiredState": text(required=True, write_only=True)}),
        "clusterConfig": an_object(_CLUSTER),
        "domainEndpointOptions": an_object(
            {
                "customEndpoint": text(),
                "customEndpointCertificateArn": text(),
                "customEndpointEnabled": truth(),
                "enforceHttps": truth(api="EnforceHTTPS"),
                "tlsSecurityPolicy": text(api="TLSSecurityPolicy"),
            }
        ),
        "domainName": text(replaces=Replaces.ALWAYS),
        "ebsOptions": an_object(
            {
                "ebsEnabled": truth(required=True, api="EBSEnabled"),
                "iops": whole(),
                "throughput": whole(),
                "volumeSize": whole(),
                "volumeType": text(),
            },
            api="EBSOptions",
        ),
        "encryptAtRest": an_object(
            {
                "enabled": truth(required=True, replaces=Replaces.TURNED_OFF),
                "kmsKeyId": text(replaces=Replaces.ALWAYS),
            },
            api="EncryptionAtRestOptions",
        ),
        "engineVersion": text(),
        "nodeToNodeEncryption": an_object(
            {"enabled": truth(required=True, replaces=Replaces.TURNED_OFF)}, api="NodeToNodeEncryptionOptions"
        ),
        "offPeakWindowOptions": an_object({"enabled": truth(), "offPeakWindow": an_object(_START)}),
        "snapshotOptions": an_object({"automatedSnapshotStartHour": whole(required=True)}),
        "softwareUpdateOptions": an_object({"autoSoftwareUpdateEnabled": truth()}),
        "tags": text_map(unset={}),
        "vpcOptions": an_object({"securityGroupIds": texts(), "subnetIds": texts()}, api="VPCOptions"),
    }
    computed = ("arn", "dashboardEndpoint", "domainId", "endpoint", "region")
    name_field = "domainName"
    name_max_length = 28
    name_lower_case = True

    def create(self, inputs: Values) -> str:
        wanted: Any = to_api({name: value for name, value in inputs.items() if name != "tags"}, self.fields)
        answer = self.aws.opensearch.create_domain(**wanted, TagList=tag_list(self.tags_all(inputs)))
        return finish(
            answer["DomainStatus"]["ARN"],
            lambda: self._wait(inputs["domainName"]),
            lambda: managed_domain.put_master_user(inputs),
        )

    def read(self, resource_id: str, inputs: Mapping[str, Any]) -> Values | None:
        name = _name(resource_id)
        answer = unless_gone(lambda: self.aws.opensearch.describe_domain(DomainName=name), GONE)
        if answer is None:
            return None
        status: Any = answer["DomainStatus"]
        tags = self.aws.opensearch.list_tags(ARN=status["ARN"])["TagList"]
        address = managed_domain.endpoint() or status.get("Endpoint") or status.get("Endpoints", {}).get("vpc")
        observed = from_api(status, {key: known for key, known in self.fields.items() if key != "tags"})
        return {
            **observed,
            "accessPolicies": observed["accessPolicies"] or None,
            "arn": status["ARN"],
            "dashboardEndpoint": f"{address}/_dashboards",
            "domainId": status["DomainId"],
            "endpoint": address,
            "region": self.aws.region,
            **self.observed_tags(tag_map(tags), inputs),
        }

    def update(self, resource_id: str, old: Values, new: Values) -> None:
        name = _name(resource_id)
        if old.get("engineVersion") != new.get("engineVersion") and "engineVersion" in new:
            self.aws.opensearch.upgrade_domain(DomainName=name, TargetVersion=new["engineVersion"])
            self._wait(name)
        changed = {
            key: value
            for key, value in new.items()
            if key not in ("domainName", "engineVersion", "tags") and old.get(key) != value
        }
        if changed:
            wanted: Any = to_api(changed, self.fields)
            self.aws.opensearch.update_domain_config(DomainName=name, **wanted)
            self._wait(name)
            managed_domain.put_master_user(changed)
        held = tag_map(self.aws.opensearch.list_tags(ARN=resource_id)["TagList"])
        tags, removed = tag_changes(held, self.tags_all(new))
        if tags:
            self.aws.opensearch.add_tags(ARN=resource_id, TagList=tag_list(tags))
        if removed:
            self.aws.opensearch.remove_tags(ARN=resource_id, TagKeys=removed)

    def delete(self, resource_id: str, state: Mapping[str, Any]) -> None:
        unless_gone(lambda: self.aws.opensearch.delete_domain(DomainName=_name(resource_id)), GONE)

    def _wait(self, name: str) -> None:
        """Waits until AWS has nothing left to do on the domain."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while time.monotonic() < deadline:
            status: Any = self.aws.opensearch.describe_domain(DomainName=name)["DomainStatus"]
            if status.get("Created") and not status.get("Processing") and not status.get("UpgradeProcessing"):
                return
            time.sleep(_POLL_SECONDS)
        raise AwsError(f"OpenSearch domain {name} was not ready after {_WAIT_SECONDS // 60} min")


class DomainPolicy(Resource):
    """Who may call a domain, when that is decided apart from it; its id is `esd-policy-<domain>`."""

    type_name = "aws:opensearch/domainPolicy:DomainPolicy"
    fields: ClassVar[Fields] = {
        "accessPolicies": policy(required=True),
        "domainName": text(required=True, replaces=Replaces.ALWAYS),
    }
    computed = ("region",)
    _prefix = "esd-policy-"

    def create(self, inputs: Values) -> str:
        self._put(inputs["domainName"], inputs["accessPolicies"])
        return self._prefix + str(inputs["domainName"])

    def read(self, resource_id: str, inputs: Mapping[str, Any]) -> Values | None:
        name = resource_id.removeprefix(self._prefix)
        answer = unless_gone(lambda: self.aws.opensearch.describe_domain(DomainName=name), GONE)
        policies = answer["DomainStatus"].get("AccessPolicies") if answer else None
        return {"accessPolicies": policies, "domainName": name, "region": self.aws.region} if policies else None

    def update(self, resource_id: str, old: Values, new: Values) -> None:
        self._put(new["domainName"], new["accessPolicies"])

    def delete(self, resource_id: str, state: Mapping[str, Any]) -> None:
        unless_gone(lambda: self._put(resource_id.removeprefix(self._prefix), ""), GONE)

    def _put(self, domain: str, policies: str) -> None:
        self.aws.opensearch.update_domain_config(DomainName=domain, AccessPolicies=policies)


def _name(arn: str) -> str:
    """The domain's name in its ARN (which is its id); an import may give the bare name."""
    return arn.rpartition("/")[2]
