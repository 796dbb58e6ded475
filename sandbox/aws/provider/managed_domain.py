"""What serves the OpenSearch domains of a local AWS: the one thing the stand-in adds to what AWS's API says.

The local AWS keeps a record of a domain but runs nothing behind it; the sandbox runs one OpenSearch. Two variables tell
of it. Without them a domain's endpoint is the name AWS gives it, as in a preview of production.
"""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.aws.provider.errors import AwsError

# host:port of the OpenSearch that serves every domain; it becomes their `endpoint`.
ENDPOINT_VARIABLE = "SANDBOX_MANAGED_DOMAIN_ENDPOINT"
# A folder with ca.pem, administrator.pem and administrator-key.pem, when that OpenSearch has TLS and users.
ADMINISTRATOR_VARIABLE = "SANDBOX_MANAGED_DOMAIN_ADMINISTRATOR"
_TIMEOUT_SECONDS = 30


def endpoint() -> str | None:
    """Where the domains are really served, None when nothing serves them."""
    return os.environ.get(ENDPOINT_VARIABLE)


def put_master_user(inputs: Mapping[str, Any]) -> None:
    """Makes the domain's master user in the OpenSearch behind it, as AWS does when it creates the domain.

    Does nothing where that has no users, or the domain none. Raises AwsError when OpenSearch refuses.
    """
    user = inputs.get("advancedSecurityOptions", {}).get("masterUserOptions", {})
    folder, address = os.environ.get(ADMINISTRATOR_VARIABLE), endpoint()
    if not folder or not address or "masterUserName" not in user:
        return
    import httpx  # noqa: PLC0415 - seldom needed, and every run of the engine starts this program

    certificates = Path(folder)
    context = ssl.create_default_context(cafile=certificates / "ca.pem")
    context.load_cert_chain(certificates / "administrator.pem", certificates / "administrator-key.pem")
    with httpx.Client(verify=context, trust_env=False, timeout=_TIMEOUT_SECONDS) as store:
        answer = store.put(
            f"https://{address}/_plugins/_security/api/internalusers/{user['masterUserName']}",
            json={"password": user.get("masterUserPassword", ""), "backend_roles": ["admin"]},
        )
    if answer.is_error:
        raise AwsError(f"the domain's master user cannot be made: {answer.status_code} {answer.text}")
