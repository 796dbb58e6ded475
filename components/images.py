"""Image references: names and tags from configs/versions.yaml, a mirror and digests from the stack's settings."""

from pathlib import Path

import yaml

from components.settings.base import SettingsError
from components.settings.tree import ImageSettings


class Catalogue:
    """Every image the program may use, by its key in configs/versions.yaml."""

    def __init__(self, versions: Path, settings: ImageSettings) -> None:
        """Raises SettingsError for a tag or digest of an image that the catalogue does not have."""
        self._images: dict[str, dict[str, str]] = yaml.safe_load(versions.read_text())["images"]
        self._settings = settings
        for setting, keys in (("tags", settings.tags), ("digests", settings.digests)):
            if unknown := sorted(keys.keys() - self._images.keys()):
                raise SettingsError(
                    f"images.{setting} names {', '.join(unknown)}; known: {', '.join(sorted(self._images))}"
                )

    def known(self) -> tuple[str, ...]:
        return tuple(self._images)

    def reference(self, key: str) -> str:
        """`name:tag` or `name:tag@digest`, behind the mirror where one is set."""
        image = self._images[key]
        mirror = f"{self._settings.registry_prefix.rstrip('/')}/" if self._settings.registry_prefix else ""
        tag = self._settings.tags.get(key, str(image["tag"]))
        digest = self._settings.digests.get(key)
        return f"{mirror}{image['image']}:{tag}{f'@{digest}' if digest else ''}"
