"""The images of the stack's manifests, made under production's names and known to the node."""

import yaml

from components.images import Catalogue
from components.settings.tree import ImageSettings
from sandbox import node
from sandbox.paths import repo_root
from sandbox.toolchain import images

# What stack `sandbox` does not run: another collector, a store of its own, the caches of a larger Loki.
_UNUSED = frozenset({"alloy", "opensearch", "memcached"})


def references() -> list[str]:
    """As the manifests of stack `sandbox` name them."""
    config = yaml.safe_load((repo_root() / "Pulumi.sandbox.yaml").read_text())["config"]
    versions = repo_root() / "configs" / "versions.yaml"
    catalogue = Catalogue(versions, ImageSettings.model_validate(config["observability-stack:images"]))
    return [catalogue.reference(key) for key in catalogue.known() if key not in _UNUSED]


def import_to_node() -> None:
    """Builds what is missing (long, on a bare machine) and imports it. A simulated node needs none."""
    if not node.is_simulated():
        node.import_images(images.ensure(references()).values())
