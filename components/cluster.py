"""The cluster as it is, asked before anything is changed."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import kubernetes
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ResourceNotFoundError
from urllib3.exceptions import HTTPError


def existing(manifest: Mapping[str, Any]) -> Any:
    """The object as the cluster has it, or None. Raises ConnectionError where there is no cluster to ask."""
    metadata = manifest["metadata"]
    try:
        client = _client()
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


@cache
def _client() -> DynamicClient:
    """Made once: to find out which kinds the cluster has takes longer than to ask for an object."""
    return DynamicClient(kubernetes.config.new_client_from_config())
