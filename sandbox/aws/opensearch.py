"""A real OpenSearch process behind the managed domains of the local AWS.

It is the distribution from Maven Central on the machine's JDK, one node, on the sandbox's own address. Its data outlive
a restart and go with `down`. OpenSearch refuses to run as root.
"""

import shutil
from pathlib import Path

from sandbox import paths, processes
from sandbox.aws import certificates, java, opensearch_config, ports, unprivileged
from sandbox.aws.health import wait_ready
from sandbox.aws.opensearch_config import PORT
from sandbox.toolchain import maven

NAME = "opensearch"
VERSION = "2.19.4"
SERVER = f"org.opensearch.distribution.integ-test-zip:opensearch:{VERSION}:zip"
SECURITY = f"org.opensearch.plugin:opensearch-security:{VERSION}.0:zip"
_START_SECONDS = 300  # 12 on an idle machine
_HEAP_MIB = 512


def up(host: str, *, secure: bool) -> None:
    """Starts OpenSearch on `host`, unless it runs, and waits until it answers.

    `secure` adds the security plugin: TLS and users. Raises SandboxError when there is no fitting JDK, when what is
    needed cannot be fetched, and when it does not start.
    """
    if processes.alive(NAME):
        wait_ready(url(host, secure=secure), folder() / "config", _START_SECONDS, NAME)
        return
    ports.require_free(host, PORT, NAME)
    java_home = java.home()
    _unpack(secure=secure)
    if secure:
        certificates.ensure(folder() / "config", host)
    opensearch_config.write(folder(), _seen(), host, secure=secure)
    for path in (folder() / "config").rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)  # keys are among them
    command = unprivileged.command(NAME, folder(), "home/bin/opensearch")
    processes.start(NAME, command, env=_environment(java_home))
    wait_ready(url(host, secure=secure), folder() / "config", _START_SECONDS, NAME)


def stop() -> None:
    """Ends OpenSearch; its data stay."""
    processes.stop(NAME)


def down() -> None:
    """Ends OpenSearch and removes its data."""
    stop()
    shutil.rmtree(folder(), ignore_errors=True)


def url(host: str, *, secure: bool) -> str:
    """The address of the running store."""
    return f"{'https' if secure else 'http'}://{host}:{PORT}"


def folder() -> Path:
    """Where the program, its configuration, its data and its certificates are."""
    return paths.state_dir() / NAME


def _unpack(*, secure: bool) -> None:
    home = folder() / "home"
    plugin = home / "plugins" / "opensearch-security"
    if not home.exists():
        maven.unpack(SERVER, home)
    if secure and not plugin.exists():
        maven.unpack(SECURITY, plugin)
    elif not secure:
        shutil.rmtree(plugin, ignore_errors=True)


def _environment(java_home: Path) -> dict[str, str]:
    return {
        "OPENSEARCH_JAVA_HOME": str(java_home),
        "OPENSEARCH_JAVA_OPTS": f"-Xms{_HEAP_MIB}m -Xmx{_HEAP_MIB}m -XX:-UsePerfData",
        "OPENSEARCH_PATH_CONF": str(_seen() / "config"),
        "OPENSEARCH_TMPDIR": str(_seen() / "tmp"),
    }


def _seen() -> Path:
    return unprivileged.seen(folder())
