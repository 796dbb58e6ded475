"""The toolchain's tables: what they accept, and that they agree with configs/versions.yaml."""

import re

import pytest
import yaml
from pydantic import ValidationError

from sandbox import paths
from sandbox.errors import SandboxError
from sandbox.toolchain import builder, images
from sandbox.toolchain.images.table import Image, Version, bases, by_key
from sandbox.toolchain.table import HERE, Group, group_of, groups, program_names, usual_programs


def test_every_image_of_the_catalogue_can_be_made() -> None:
    assert sorted(by_key()) == sorted(images.versions())
    assert {version.sandbox_ref() for version in images.versions().values()} <= set(images.table())


@pytest.mark.parametrize("ref", sorted(images.table()))
def test_image_is_made_of_things_that_exist(ref: str) -> None:
    image = images.table()[ref]
    assert set(image.programs) <= set(program_names())
    assert set(image.beside) <= set(image.programs)
    assert not image.base or image.base in bases()
    assert all((HERE / name / "go.mod").is_file() for name in image.local)


@pytest.mark.parametrize("key", sorted(by_key()))
def test_image_holds_the_version_its_tag_says(key: str) -> None:
    version = images.versions()[key]
    tag = (version.sandbox_tag or version.tag).removeprefix("v")
    for program in by_key()[key].programs:
        assert group_of(program).release == tag


@pytest.mark.parametrize("name", sorted(groups()))
def test_group_has_a_go_mod_of_its_version_and_a_go_sum(name: str) -> None:
    group = groups()[name]
    text = (group.gomod_dir / "go.mod").read_text()
    sums = (group.gomod_dir / "go.sum").read_text()
    if group.prepare:
        assert f"module {group.module}\n" in text
        assert group.sum.startswith("h1:")
    else:
        assert re.search(rf"\b{re.escape(group.module)} {re.escape(group.version)}\n", text)
        assert f"{group.module} {group.version} h1:" in sums
    assert "h1:" in sums


@pytest.mark.parametrize("name", sorted(name for name, group in groups().items() if group.cgo != "none"))
def test_group_with_c_in_it_has_a_c_compiler_installed(name: str) -> None:
    assert {"gcc", "libc6-dev"} <= set(groups()[name].debian)


def test_no_file_of_the_toolchain_names_a_path_or_a_proxy() -> None:
    for path in (HERE / "go").rglob("go.*"):
        text = path.read_text()
        assert " => ./" not in text, path
        assert " => ../" not in text, path
        assert "GOPROXY" not in text, path


def test_programs_have_one_group_each() -> None:
    names = program_names()
    assert len(names) == len(set(names))


def test_program_on_request_is_left_out_of_all() -> None:
    assert "alloy" in program_names()
    assert "alloy" not in usual_programs()


def test_programs_come_in_the_order_they_are_built() -> None:
    assert list(builder._in_build_order(["promtool", "etcd"])) == ["etcd", "promtool"]


def test_unknown_program_is_refused_by_name() -> None:
    with pytest.raises(SandboxError, match="unknown program prometheuss; the toolchain builds: etcd, "):
        builder.ensure(["prometheuss"])


def test_unknown_image_is_refused_by_name() -> None:
    with pytest.raises(SandboxError, match=r"no image docker.io/library/nginx:1; add it to configs/versions.yaml"):
        images.ensure(["docker.io/library/nginx:1"])


def test_recipe_follows_what_changes_the_program() -> None:
    entry = yaml.safe_load((HERE / "programs.yaml").read_text())["groups"]["etcd"]
    before = Group(name="etcd", **entry).recipe("etcd")
    assert Group(name="etcd", **entry).recipe("etcd") == before
    assert Group(name="etcd", **(entry | {"tags": ["netgo"]})).recipe("etcd") != before
    # What has to be installed for the build does not change what comes out of it.
    assert Group(name="etcd", **(entry | {"debian": ["gcc"]})).recipe("etcd") == before
    slower = entry | {"programs": {"etcd": entry["programs"]["etcd"] | {"seconds": 999}}}
    assert Group(name="etcd", **slower).recipe("etcd") == before


def test_versions_are_set_where_the_product_looks_for_them() -> None:
    assert "-X github.com/prometheus/common/version.Version=3.9.1" in groups()["prometheus"].linker_flags()
    assert "-X k8s.io/component-base/version.gitVersion=v1.34.4" in groups()["kubernetes"].linker_flags()


def test_misspelt_field_of_a_group_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"tag\n  Extra inputs are not permitted"):
        Group.model_validate(
            {
                "name": "x",
                "module": "m",
                "version": "v1.0.0",
                "programs": {"x": {"package": "", "seconds": 1}},
                "tag": 1,
            }
        )


def test_image_made_of_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="an image needs programs, local or base"):
        Image(user="0")


def test_image_user_must_be_a_number() -> None:
    with pytest.raises(ValidationError, match="user"):
        Image(base="debian", user="nobody")


def test_catalogue_entry_needs_an_image_with_its_registry() -> None:
    with pytest.raises(ValidationError, match="image"):
        Version(image="grafana/loki", tag="3", source="https://example.org", end_of_support=None, note="")


def test_catalogue_is_read_from_configs() -> None:
    raw = yaml.safe_load((paths.repo_root() / "configs" / "versions.yaml").read_text())["images"]
    assert images.versions()["grafana"].sandbox_ref() == f"{raw['grafana']['image']}:{raw['grafana']['sandbox_tag']}"
    assert images.versions()["loki"].sandbox_ref() == f"{raw['loki']['image']}:{raw['loki']['tag']}"
