"""Image references from the catalogue and the stack's settings."""

from pathlib import Path

import pytest

from components.images import Catalogue
from components.settings.base import SettingsError
from components.settings.tree import ImageSettings


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    path = tmp_path / "versions.yaml"
    path.write_text("images:\n  loki: {image: docker.io/grafana/loki, tag: 3.6.3}\n")
    return path


def test_name_and_tag_come_from_the_catalogue(versions: Path) -> None:
    assert Catalogue(versions, ImageSettings()).reference("loki") == "docker.io/grafana/loki:3.6.3"


def test_a_mirror_tag_and_digest_of_the_stack_are_used(versions: Path) -> None:
    settings = ImageSettings(
        registry_prefix="mirror.example/", tags={"loki": "3.6.4"}, digests={"loki": "sha256:" + "a" * 64}
    )
    reference = Catalogue(versions, settings).reference("loki")
    assert reference == f"mirror.example/docker.io/grafana/loki:3.6.4@sha256:{'a' * 64}"


def test_a_digest_of_an_unknown_image_is_refused(versions: Path) -> None:
    with pytest.raises(SettingsError, match=r"images.digests names lokki; known: loki"):
        Catalogue(versions, ImageSettings(digests={"lokki": "sha256:x"}))
