"""Stack `sandbox` on the sandbox's own node."""

import secrets
from typing import Any

from sandbox import aws, images, loki_login, node, platform, processes, sinks
from sandbox.engine import Engine
from sandbox.paths import state_dir

STACK = "sandbox"


def engine() -> Engine:
    """Raises SandboxError when no node or no span store is up."""
    authority = (aws.store_certificates() / "ca.pem").read_text()
    # Where a node has systemd, its journal holds these.
    node_logs = [str(processes.log_path(name)) for name in ("kubelet", "containerd")]
    values: dict[str, dict[str, Any]] = {"span_store": {"ca": authority}, "logs": {"extra_node_files": node_logs}}
    return Engine(STACK, node.kubeconfig(), state_dir(), values)


def environment() -> dict[str, str]:
    """What a shell needs to drive the running sandbox by hand, and to ask its Loki."""
    return {**engine().environment(), **loki_login.environment()}


def up() -> None:
    """`pulumi up`; its secrets are made on the first run. Waits until every workload is Ready.

    Looks first at what is really there: the local AWS or the node may have been made anew since the last run.
    """
    prepare()
    pulumi("up", "--yes", "--skip-preview", "--refresh", "--suppress-permalink=true")


def prepare() -> None:
    """All that `pulumi up` needs: programs, the images that its pods will ask for, the stack and its secrets."""
    images.import_to_node()
    engine().prepare(_of_the_sandbox(), _own())


def destroy() -> None:
    """`pulumi destroy`, where there is something to destroy."""
    if (state_dir() / "pulumi" / ".pulumi" / "stacks").exists():
        pulumi("destroy", "--yes", "--skip-preview", "--refresh", "--suppress-permalink=true")


def pulumi(*arguments: str, capture: bool = False) -> str:
    """The engine on this stack, also after one was killed; see Engine.run."""
    on = engine()
    on.unlock()
    return on.run(*arguments, capture=capture)


def outputs() -> dict[str, Any]:
    """The stack's outputs, secrets in plain: do not print it."""
    return engine().outputs()


def _of_the_sandbox() -> dict[str, str]:
    """What this sandbox has where production has real accounts: whoever made it goes by it too."""
    return {
        "slack_api_url": sinks.url("slack"),
        "webhook_url": sinks.url("webhook"),
        "heartbeat_url": sinks.url("heartbeat"),
        "smtp_password": sinks.mail_login(),
        "smtp_ca": (sinks.mail_certificates() / "ca.pem").read_text(),
        "postgresql_password": platform.postgres_password(),
        "loki_gateway_htpasswd": loki_login.htpasswd(),
    }


def _own() -> dict[str, str]:
    """New passwords, for a stack that has none."""
    return {
        "grafana_admin_password": secrets.token_urlsafe(18),
        "grafana_secret_key": secrets.token_urlsafe(24),
        "pagerduty_routing_key": secrets.token_hex(16),
        "span_store_password": secrets.token_urlsafe(18),
        "span_store_master_password": secrets.token_urlsafe(18),
        "s3_access_key_id": secrets.token_hex(10),  # the local AWS takes any
        "s3_secret_access_key": secrets.token_hex(20),
    }
