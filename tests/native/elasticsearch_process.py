"""A real Elasticsearch 7.17 with TLS and users: the distribution from Maven Central on the machine's JDK, one node.

It has Elastic's free security (TLS; users and roles from files), and beyond that few modules: no ILM, no scripts.
"""

import base64
import hashlib
import secrets
import shutil
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml

from sandbox import paths, processes
from sandbox.aws import certificates, java, ports, unprivileged
from sandbox.toolchain import maven
from tests.waiting import eventually

NAME = "elasticsearch"
VERSION = "7.17.28"
PORT = 9200
_SERVER = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{VERSION}:zip"
_START_SECONDS = 300  # 15 on an idle machine
_HEAP_MIB = 512


Login = tuple[str, str]  # name, password


def up(host: str, administrator: Login, user: Login, role: Mapping[str, Any]) -> None:
    """Starts Elasticsearch on `host`, with a superuser and a user that has `role`, and waits until it answers."""
    ports.require_free(host, PORT, NAME)
    if not (folder() / "home").exists():
        maven.unpack(_SERVER, folder() / "home")
    certificates.ensure(folder() / "config", host)
    _configure(host, administrator, user, role)
    seen = unprivileged.seen(folder())
    environment = {
        "ES_JAVA_HOME": str(java.home()),
        "ES_JAVA_OPTS": f"-Xms{_HEAP_MIB}m -Xmx{_HEAP_MIB}m -XX:-UsePerfData",
        "ES_PATH_CONF": str(seen / "config"),
        "ES_TMPDIR": str(seen / "tmp"),
    }
    processes.start(NAME, unprivileged.command(NAME, folder(), "home/bin/elasticsearch"), env=environment)
    with client(host, administrator) as store:
        eventually(lambda: _ready(store), _START_SECONDS, every_seconds=0.5)


def stop() -> None:
    """Ends Elasticsearch; its data stay."""
    processes.stop(NAME)


def down() -> None:
    """Ends Elasticsearch and removes its data."""
    stop()
    shutil.rmtree(folder(), ignore_errors=True)


def folder() -> Path:
    """Where the program, its configuration, its data and its certificates are."""
    return paths.state_dir() / NAME


def client(host: str, login: Login) -> httpx.Client:
    trust = ssl.create_default_context(cafile=str(folder() / "config" / "ca.pem"))
    return httpx.Client(base_url=f"https://{host}:{PORT}", auth=login, verify=trust, timeout=30, trust_env=False)


def _ready(store: httpx.Client) -> bool:
    if not processes.alive(NAME):
        raise RuntimeError(f"{NAME} ended while it was starting; its log: {processes.log_path(NAME)}")
    answer = store.get("/_cluster/health")
    return answer.status_code == httpx.codes.OK and answer.json()["status"] != "red"


def _configure(host: str, administrator: Login, user: Login, role: Mapping[str, Any]) -> None:
    for name in ("config", "data", "logs", "tmp"):
        (folder() / name).mkdir(exist_ok=True)
    config, seen = folder() / "config", unprivileged.seen(folder())
    for name in ("jvm.options", "log4j2.properties"):
        shutil.copyfile(folder() / "home" / "config" / name, config / name)
    settings = {
        "cluster.name": "native-tests",
        "node.name": "test",
        "discovery.type": "single-node",
        "network.host": host,
        "http.port": PORT,
        "transport.host": "127.0.0.1",  # there is no other node
        "path.data": str(seen / "data"),
        "path.logs": str(seen / "logs"),
        "node.store.allow_mmap": False,  # else the kernel's vm.max_map_count would have to be raised
        "xpack.security.enabled": True,
        "xpack.security.http.ssl.enabled": True,
        "xpack.security.http.ssl.certificate": str(seen / "config" / "node.pem"),
        "xpack.security.http.ssl.key": str(seen / "config" / "node-key.pem"),
    }
    (config / "elasticsearch.yml").write_text(yaml.safe_dump(settings, sort_keys=False))
    (config / "roles.yml").write_text(yaml.safe_dump({user[0]: dict(role)}))
    (config / "users").write_text("".join(f"{name}:{_hashed(password)}\n" for name, password in (administrator, user)))
    (config / "users_roles").write_text(f"superuser:{administrator[0]}\n{user[0]}:{user[0]}\n")


def _hashed(password: str) -> str:
    """As the file of users has it."""
    salt, rounds = secrets.token_bytes(32), 10_000
    derived = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds, 32)
    return f"{{PBKDF2}}{rounds}${base64.b64encode(salt).decode()}${base64.b64encode(derived).decode()}"
