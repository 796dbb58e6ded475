"""Image archives: their form, their names, and the same bytes each time."""

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from sandbox.toolchain import images
from sandbox.toolchain.images import archive, layers
from sandbox.toolchain.images.layers import File


def _read(path: Path, name: str) -> bytes:
    with tarfile.open(path) as tar:
        handle = tar.extractfile(name)
        assert handle is not None
        return handle.read()


def _blob(path: Path, digest: str) -> bytes:
    content = _read(path, f"blobs/{digest.replace(':', '/')}")
    assert f"sha256:{hashlib.sha256(content).hexdigest()}" == digest
    return content


def _image(tmp_path: Path, *files: File) -> Path:
    layer, target = tmp_path / "layer.tar", tmp_path / "image.tar"
    layers.from_files(layer, files)
    archive.write(target, "docker.io/library/x:1.2", [layer], {"User": "65534", "Entrypoint": ["/x"]})
    return target


def test_archive_is_a_chain_of_true_digests(tmp_path: Path) -> None:
    path = _image(tmp_path, File(path="/bin/x", content=b"x", mode=0o755))
    described: dict[str, Any] = json.loads(_read(path, "index.json"))["manifests"][0]
    manifest = json.loads(_blob(path, described["digest"]))
    config = json.loads(_blob(path, manifest["config"]["digest"]))
    assert described["annotations"]["io.containerd.image.name"] == "docker.io/library/x:1.2"
    assert config["config"] == {"User": "65534", "Entrypoint": ["/x"]}
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]
    assert _blob(path, manifest["layers"][0]["digest"])


def test_layer_has_modes_links_and_the_folders_above(tmp_path: Path) -> None:
    layers.from_files(
        tmp_path / "layer.tar",
        [
            File(path="/usr/bin/x", content=b"x", mode=0o755),
            File(path="/usr/bin/y", link="x"),
            File(path="/scratch", mode=0o1777),
        ],
    )
    with tarfile.open(tmp_path / "layer.tar") as tar:
        found = {member.name: (member.type, member.mode, member.uid) for member in tar}
    assert found == {
        "scratch": (tarfile.DIRTYPE, 0o1777, 0),
        "usr": (tarfile.DIRTYPE, 0o755, 0),
        "usr/bin": (tarfile.DIRTYPE, 0o755, 0),
        "usr/bin/x": (tarfile.REGTYPE, 0o755, 0),
        "usr/bin/y": (tarfile.SYMTYPE, 0o644, 0),
    }


def test_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = File(path="/one", content=b"1"), File(path="/two", content=b"2")
    first = _image(tmp_path, one, two).read_bytes()
    assert _image(tmp_path, two, one).read_bytes() == first


def test_root_filesystem_layer_leaves_out_what_only_its_making_needed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("etc/hostname", "usr/share/doc/x/copyright", "var/cache/apt/pkgcache.bin", "tmp/left"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    layers.from_tree(tmp_path / "layer.tar", root)
    with tarfile.open(tmp_path / "layer.tar") as tar:
        files = [member.name for member in tar if member.isfile()]
        assert {member.mtime for member in tar} == {0}
        assert "tmp" in tar.getnames()
    assert files == ["etc/hostname"]


def test_unfinished_archive_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        layers.from_files(tmp_path / "layer.tar", [File(path="/x", source=tmp_path / "missing")])
    assert list(tmp_path.iterdir()) == []


def test_local_program_gets_a_new_archive_only_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    base = tmp_path / "base.tar"
    layers.from_files(base, [File(path="/etc/debian_version", content=b"12\n")])
    monkeypatch.setattr(images.rootfs, "layer", lambda _name: base)
    binary = tmp_path / "platform-service"
    binary.write_bytes(b"one")
    first = images.ensure_local("dharma/platform-service:sandbox", binary)
    assert images.ensure_local("dharma/platform-service:sandbox", binary) == first
    binary.write_bytes(b"two")
    second = images.ensure_local("dharma/platform-service:sandbox", binary)
    assert second != first
    assert not first.exists()
