"""The cluster as it is, asked before anything is changed."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import kubernetes
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ResourceNotFoundError
from urllib3.exceptions import HTTPError


def existing(manifest: Mapping[str, Any], context: str | None) -> Any:
    """The object as the cluster of `context` has it, or None; the kubeconfig's current one where that is None.

    Raises ConnectionError where there is no cluster to ask.
    """
    metadata = manifest["metadata"]
    try:
        client = _client(context)
        kind = client.resources.get(api_version=manifest["apiVersion"], kind=manifest["kind"])
        return client.get(kind, name=metadata["name"], namespace=metadata.get("namespace"))
    except (HTTPError, kubernetes.config.ConfigException) as error:
        raise ConnectionError(str(error)) from error
    except ResourceNotFoundError:
        return None
    except ApiException as error:
        if error.status == 404:
            return None
        raise


def contexts() -> list[str]:
    """The names that the kubeconfig gives to clusters; none where there is no kubeconfig."""
    try:
        known, _ = kubernetes.config.list_kube_config_contexts()
    except kubernetes.config.ConfigException:
        return []
    return [one["name"] for one in known]


@cache
def _client(context: str | None) -> DynamicClient:
    """Made once: to find out which kinds the cluster has takes longer than to ask for an object."""
    return DynamicClient(kubernetes.config.new_client_from_config(context=context))
