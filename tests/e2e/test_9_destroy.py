"""Last of all: what `pulumi destroy` leaves behind."""

from typing import Any

import boto3

from sandbox import stack


def test_destroy_leaves_nothing_of_the_stack(deployed: dict[str, Any], kubectl: Any) -> None:
    stack.destroy()
    names = {item["metadata"]["name"] for item in kubectl("get", "namespaces")["items"]}
    assert not names & {"monitoring", "monitoring-agents"}
    ours = ("-l", "app.kubernetes.io/part-of=observability-stack")
    everywhere = kubectl("get", "clusterroles,clusterrolebindings", *ours)["items"]
    volumes = [
        volume["metadata"]["name"]
        for volume in kubectl("get", "persistentvolumes")["items"]
        if volume["spec"]["claimRef"]["namespace"] == "monitoring" and volume["status"]["phase"] == "Bound"
    ]
    assert (everywhere, volumes) == ([], [])
    s3 = boto3.client(
        "s3",
        endpoint_url=stack.environment()["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id="sandbox",
        aws_secret_access_key="sandbox",
    )
    assert s3.list_buckets()["Buckets"] == []
