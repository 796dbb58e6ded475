"""What the sandbox does with the local AWS: up, down, status, and what others need to know of it."""

import sys
from contextlib import AbstractContextManager
from pathlib import Path

from sandbox import processes
from sandbox.aws import launcher, moto, opensearch, record
from sandbox.aws.opensearch_config import PORT as STORE_PORT
from sandbox.aws.provider.managed_domain import ADMINISTRATOR_VARIABLE, ENDPOINT_VARIABLE
from sandbox.errors import SandboxError


def up(host: str, *, secure: bool = True, span_store: bool = True) -> None:
    """Starts what is not running. `host` is the address to listen on: the node's bridge, or loopback without one.

    OpenSearch has TLS and users unless `secure` is False; without `span_store` there is none (a preview needs none).
    What runs already as something else is ended and started as wanted. Says on standard error when the local AWS has
    lost its data. Raises SandboxError when something does not start.
    """
    known = record.load()
    if known is not None and known.host != host:
        moto.down()
    if known is not None and (known.host, known.secure) != (host, secure):
        opensearch.stop()
    died = known is not None and not processes.alive(moto.NAME)
    moto.up(host)
    record.save(record.Record(host=host, secure=secure, span_store=span_store))
    if died:
        sys.stderr.write(
            "The local AWS had ended and is new and empty: the bucket with all log history is gone. "
            "`make up` makes the stack's AWS resources again.\n"
        )
    if span_store:
        opensearch.up(host, secure=secure)


def down() -> None:
    """Ends all of it; buckets, domains and spans are gone, and no firewall rule stays behind."""
    moto.down()
    opensearch.down()
    record.remove()


def status() -> str | None:
    """One line for people; None when nothing runs and nothing is expected to."""
    known = record.load()
    if known is None:
        return None
    parts = [("AWS", moto.NAME, moto.url(known.host))]
    if known.span_store:
        parts.append(("span store", opensearch.NAME, opensearch.url(known.host, secure=known.secure)))
    return "; ".join(
        f"{what}: {address}" if processes.alive(name) else f"{what}: has ended, `make up` starts it again"
        for what, name, address in parts
    )


def environment() -> dict[str, str]:
    """The AWS variables for a shell and for Pulumi: every AWS client then speaks to the local AWS, none to the real.

    Raises SandboxError when the local AWS is not up.
    """
    known = _known()
    variables = moto.environment(moto.url(known.host))
    if known.span_store:
        variables[ENDPOINT_VARIABLE] = f"{known.host}:{STORE_PORT}"
    if known.span_store and known.secure:
        variables[ADMINISTRATOR_VARIABLE] = str(opensearch.folder() / "config")
    return variables


def provider_dir() -> Path:
    """The folder with the executable `pulumi-resource-aws`, to be put first on PATH."""
    return launcher.folder()


def network() -> moto.Network:
    """The VPC and subnet of the account; the same ids on every machine, so that a stack file can name them."""
    return moto.network(_known().host)


def outage() -> AbstractContextManager[None]:
    """A context in which nobody gets an answer from the local AWS; needs root and iptables."""
    return moto.outage(_known().host)


def store_certificates() -> Path:
    """The folder with ca.pem of the secured store. Raises SandboxError when it runs without TLS."""
    if not _known().secure:
        raise SandboxError("the span store runs without TLS; bring it up with secure=True")
    return opensearch.folder() / "config"


def _known() -> record.Record:
    known = record.load()
    if known is None:
        raise SandboxError("the local AWS is not up; start it: make up")
    return known
