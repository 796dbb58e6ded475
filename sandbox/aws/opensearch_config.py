"""What OpenSearch reads: written anew before each start, so that it always fits the address it is started on."""

import shutil
from pathlib import Path
from typing import Any

import yaml

PORT = 9200
_TRANSPORT_PORTS = "9300-9399"  # the first that is free

# The store starts without users; a domain's master user is made in it when the domain is created.
_NO_USERS = {"_meta": {"type": "internalusers", "config_version": 2}}


def write(folder: Path, seen: Path, host: str, *, secure: bool) -> None:
    """Writes `folder`/config and the folders that are named in it; the process sees `folder` as `seen`."""
    config = folder / "config"
    for name in ("config", "data", "logs", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    for name in ("jvm.options", "log4j2.properties"):
        shutil.copyfile(folder / "home" / "config" / name, config / name)
    settings: dict[str, Any] = {
        "cluster.name": "sandbox-spans",
        "node.name": "sandbox",
        "discovery.type": "single-node",
        "network.host": host,
        "http.port": PORT,
        "transport.host": "127.0.0.1",  # there is no other node
        "transport.port": _TRANSPORT_PORTS,
        "path.data": str(seen / "data"),
        "path.logs": str(seen / "logs"),
        "node.store.allow_mmap": False,  # else the kernel's vm.max_map_count would have to be raised
    }
    if secure:
        settings |= _security(seen / "config")
        _write_users(folder)
    (config / "opensearch.yml").write_text(yaml.safe_dump(settings, sort_keys=False))


def _security(config: Path) -> dict[str, Any]:
    pems = {
        "pemcert_filepath": str(config / "node.pem"),
        "pemkey_filepath": str(config / "node-key.pem"),
        "pemtrustedcas_filepath": str(config / "ca.pem"),
    }
    return {
        **{f"plugins.security.ssl.transport.{name}": path for name, path in pems.items()},
        **{f"plugins.security.ssl.http.{name}": path for name, path in pems.items()},
        "plugins.security.ssl.transport.enforce_hostname_verification": False,
        "plugins.security.ssl.http.enabled": True,
        "plugins.security.ssl.http.clientauth_mode": "OPTIONAL",  # the administrator comes by certificate
        "plugins.security.authcz.admin_dn": ["CN=administrator,O=sandbox"],
        "plugins.security.allow_default_init_securityindex": True,
        "plugins.security.audit.type": "noop",
        # As on AWS: the master user may make other users.
        "plugins.security.restapi.roles_enabled": ["all_access"],
    }


def _write_users(folder: Path) -> None:
    shipped = folder / "home" / "plugins" / "opensearch-security" / "config"
    target = folder / "config" / "opensearch-security"
    shutil.copytree(shipped, target, dirs_exist_ok=True)
    (target / "internal_users.yml").write_text(yaml.safe_dump(_NO_USERS))
