"""The images of the stack's manifests, made under production's names and known to the node."""

from typing import Any, get_args

import yaml

from components.images import Catalogue
from components.settings.tree import ImageSettings
from rendering.collectors import Collector
from sandbox import node
from sandbox.paths import repo_root
from sandbox.toolchain import images

# What stack `sandbox` does not run, beside the collector of logs that it has not: a store of its own, the caches of a
# larger Loki.
_UNUSED = frozenset({"opensearch", "memcached"})


def catalogue() -> Catalogue:
    """Every image under the name that the manifests of stack `sandbox` would give it."""
    chosen = ImageSettings.model_validate(_config()["observability-stack:images"])
    return Catalogue(repo_root() / "configs" / "versions.yaml", chosen)


def references() -> list[str]:
    """As the manifests of stack `sandbox` name them."""
    unused = _UNUSED | set(get_args(Collector)) - {_config()["observability-stack:logs"]["collector"]}
    known = catalogue()
    return [known.reference(key) for key in known.known() if key not in unused]


def _config() -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((repo_root() / "Pulumi.sandbox.yaml").read_text())["config"]
    return config


def import_to_node() -> None:
    """Builds what is missing (long, on a bare machine) and imports it. A simulated node needs none."""
    if not node.is_simulated():
        node.import_images(images.ensure(references()).values())
