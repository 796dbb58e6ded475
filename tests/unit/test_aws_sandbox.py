"""The processes of the local AWS: addresses, certificates, configuration, and a moto that dies."""

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from sandbox import aws, processes
from sandbox.aws import certificates, firewall, java, moto, opensearch_config, ports
from sandbox.aws.provider.managed_domain import ENDPOINT_VARIABLE
from sandbox.errors import SandboxError

LOOPBACK = "127.0.0.1"


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((LOOPBACK, 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def test_a_port_that_is_taken_is_refused_with_its_holder(taken: int) -> None:
    name = psutil.Process().name()
    with pytest.raises(SandboxError) as refusal:
        ports.require_free(LOOPBACK, taken, "moto")
    assert str(refusal.value) == (
        f"moto needs {LOOPBACK}:{taken}, which process {os.getpid()} ({name}) has; end that process and run this again"
    )


def test_an_address_that_the_machine_lacks_is_refused() -> None:
    with pytest.raises(SandboxError, match=r"moto cannot listen on 203\.0\.113\.1:5000: .*; is the node up\?"):
        ports.require_free("203.0.113.1", 5000, "moto")


def test_rules_of_a_killed_outage_are_found_and_others_left_alone() -> None:
    listed = (
        "-P INPUT ACCEPT\n"
        "-A INPUT -d 10.111.0.1/32 -p tcp -m tcp --dport 5000 -m comment --comment observability-stack-outage -j DROP\n"
        '-A INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS\n'
    )
    rule = "INPUT -d 10.111.0.1/32 -p tcp -m tcp --dport 5000 -m comment --comment observability-stack-outage -j DROP"
    assert firewall.left_behind(listed) == [rule.split()]


def test_a_client_that_trusts_the_authority_trusts_the_node(tmp_path: Path) -> None:
    certificates.ensure(tmp_path, LOOPBACK)
    assert (tmp_path / "node-key.pem").stat().st_mode & 0o077 == 0
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tmp_path / "ca.pem")
    server_side.verify_mode = ssl.CERT_REQUIRED
    server_side.load_cert_chain(tmp_path / "node.pem", tmp_path / "node-key.pem")
    client_side = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    client_side.load_cert_chain(tmp_path / "administrator.pem", tmp_path / "administrator-key.pem")
    names: list[object] = []

    def serve(listener: socket.socket) -> None:
        with listener.accept()[0] as plain, server_side.wrap_socket(plain, server_side=True) as secured:
            names.append((secured.getpeercert() or {})["subject"])
            secured.sendall(b"hello")

    with socket.create_server((LOOPBACK, 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        with (
            socket.create_connection(listener.getsockname()) as plain,
            client_side.wrap_socket(plain, server_hostname=LOOPBACK) as secured,
        ):
            assert secured.recv(5) == b"hello"
        thread.join()
    # What opensearch.yml calls its administrator.
    assert names == [((("organizationName", "sandbox"),), (("commonName", "administrator"),))]


@pytest.mark.parametrize("secure", [False, True])
def test_opensearch_is_told_its_address_and_whether_it_has_users(tmp_path: Path, secure: bool) -> None:
    for file in ("config/jvm.options", "config/log4j2.properties"):
        (tmp_path / "home" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "home" / file).touch()
    shipped = tmp_path / "home" / "plugins" / "opensearch-security" / "config"
    shipped.mkdir(parents=True)
    (shipped / "internal_users.yml").write_text("admin: {hash: known-to-everyone}")
    opensearch_config.write(tmp_path, Path("/mnt"), "10.111.0.1", secure=secure)
    settings = yaml.safe_load((tmp_path / "config" / "opensearch.yml").read_text())
    assert settings["network.host"] == "10.111.0.1"
    assert settings["transport.host"] == LOOPBACK
    assert settings["path.data"] == "/mnt/data"
    assert settings.get("plugins.security.ssl.http.enabled", False) is secure
    if secure:
        users = yaml.safe_load((tmp_path / "config" / "opensearch-security" / "internal_users.yml").read_text())
        assert list(users) == ["_meta"], "no user that the distribution ships"


def test_a_java_that_opensearch_cannot_use_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "java"
    fake.write_text("#!/bin/sh\necho 'openjdk version \"24.0.1\" 2025-04-15' >&2\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxError, match=r"version \"24\.0\.1\".*put a JDK 11 to 23"):
        java.home()
    fake.unlink()
    with pytest.raises(SandboxError, match="there is no java on PATH"):
        java.home()


def test_without_the_local_aws_there_is_no_environment(state: Path) -> None:
    assert aws.status() is None
    with pytest.raises(SandboxError, match="the local AWS is not up; start it: make up"):
        aws.environment()


def test_a_moto_that_dies_comes_back_empty_and_says_so(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        monkeypatch.setattr(moto, "PORT", listener.getsockname()[1])
    try:
        aws.up(LOOPBACK, span_store=False)
        variables = aws.environment()
        assert variables["AWS_ENDPOINT_URL"] == moto.url(LOOPBACK)
        assert ENDPOINT_VARIABLE not in variables, "nothing serves domains"
        s3 = moto.client("s3", variables["AWS_ENDPOINT_URL"])
        s3.create_bucket(Bucket="logs")
        before = aws.network()
        aws.up(LOOPBACK, span_store=False)
        assert len(s3.list_buckets()["Buckets"]) == 1
        assert capsys.readouterr().err == ""

        moto_process = processes._STARTED[moto.NAME]
        moto_process.kill()
        moto_process.wait()
        assert "has ended" in (aws.status() or "")
        aws.up(LOOPBACK, span_store=False)
        assert "the bucket with all log history is gone" in capsys.readouterr().err
        assert s3.list_buckets()["Buckets"] == []
        assert aws.network() == before, "ids that a stack file names are the same in every sandbox"
    finally:
        aws.down()
    assert not processes.alive(moto.NAME)
    assert aws.status() is None
