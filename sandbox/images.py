"""The images of the stack's manifests, made under production's names and known to the node."""

from typing import get_args

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


def references() -> list[str]:
    """As the manifests of stack `sandbox` name them."""
    config = yaml.safe_load((repo_root() / "Pulumi.sandbox.yaml").read_text())["config"]
    versions = repo_root() / "configs" / "versions.yaml"
    catalogue = Catalogue(versions, ImageSettings.model_validate(config["observability-stack:images"]))
    unused = _UNUSED | set(get_args(Collector)) - {config["observability-stack:logs"]["collector"]}
    return [catalogue.reference(key) for key in catalogue.known() if key not in unused]


def import_to_node() -> None:
    """Builds what is missing (long, on a bare machine) and imports it. A simulated node needs none."""
    if not node.is_simulated():
        node.import_images(images.ensure(references()).values())
