"""What the clients of the span store share: where it is, how to log in, what is mounted for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pulumi

from components.settings.base import Resources
from components.shared import SharedOutputs
from components.workload.batch import JobArgs
from components.workload.pod import ConfigMapFiles, Container, Mount, PodField, SecretFiles, SecretKey
from rendering.jaeger import CA_FILE, PASSWORD_FILE, STORE_URL

# Objects that the span store's component makes for its clients.
LOGIN_SECRET = "span-store-login"  # key `password`
CA_CONFIG = "span-store-ca"  # key `ca.crt`
PROGRAM_CONFIG = "span-store-program"  # jobs/span_store.py, which runs beside the store

_FOLDER = "/etc/span-store"
PROGRAM = f"{_FOLDER}/program/span_store.py"
# What its commands read, each where it needs it.
USERNAME = "SPAN_STORE_USERNAME"
INDEX_PREFIX = "SPAN_STORE_INDEX_PREFIX"
RETENTION_HOURS = "SPAN_STORE_RETENTION_HOURS"

_DEADLINE_SECONDS = 600  # of those that run by the clock; the next run goes on with what one did not finish

Environment = Mapping[str, "str | SecretKey | PodField | pulumi.Output[str]"]


@dataclass(frozen=True, kw_only=True)
class SpanStore:
    """One store, as its clients see it."""

    kind: Literal["opensearch", "elasticsearch"]
    url: pulumi.Input[str]
    shards: int
    replicas: int
    # Whom to log in as, with the password in LOGIN_SECRET; None where the store asks for no login.
    username: str | None = None
    # Changes with that password.
    password_version: pulumi.Input[str] = ""
    # Its certificate is signed by the authority in CA_CONFIG, not by one of the system's.
    own_ca: bool = False
    # TLS at all.
    tls: bool = True


def mounts(store: SpanStore) -> tuple[Mount, ...]:
    """Password and authority, where the store has them, at PASSWORD_FILE and CA_FILE."""
    found = []
    if store.username is not None:
        login = SecretFiles(name=LOGIN_SECRET)
        found.append(Mount(name="login", path=PASSWORD_FILE.rpartition("/")[0], source=login))
    if store.own_ca:
        authority = ConfigMapFiles(name=CA_CONFIG)
        found.append(Mount(name="ca", path=CA_FILE.rpartition("/")[0], source=authority))
    return tuple(found)


def environment(store: SpanStore) -> dict[str, "str | SecretKey | PodField | pulumi.Output[str]"]:
    """For jobs/span_store.py: the address, and whom to log in as."""
    login: dict[str, str | SecretKey | PodField | pulumi.Output[str]] = (
        {USERNAME: store.username} if store.username is not None else {}
    )
    return {STORE_URL: pulumi.Output.from_input(store.url), **login, "PYTHONDONTWRITEBYTECODE": "1"}


def program(
    name: str,
    image: str,
    command: str,
    store: SpanStore,
    *,
    env: Environment | None = None,
    more: tuple[Mount, ...] = (),
) -> Container:
    """A container that runs a command of jobs/span_store.py; `image` has Python."""
    source = ConfigMapFiles(name=PROGRAM_CONFIG)
    return Container(
        name=name,
        image=image,
        command=("python3", "-u", PROGRAM, command),
        env={**environment(store), **(env or {})},
        mounts=(Mount(name="program", path=PROGRAM.rpartition("/")[0], source=source), *mounts(store), *more),
        resources=Resources(cpu_millicores=10, memory_mib=48, cpu_limit_millicores=500, memory_limit_mib=256),
    )


def store_job(
    tool: str,
    image: str,
    command: str,
    store: SpanStore,
    *,
    shared: SharedOutputs,
    user: int,
    env: Environment,
    more: tuple[Mount, ...] = (),
) -> JobArgs:
    """The job `tool`, which runs a command of jobs/span_store.py."""
    return JobArgs(
        shared=shared,
        tool=tool,
        component="traces",
        steps=(program(command, image, command, store, env=env, more=more),),
        user=user,
        deadline_seconds=_DEADLINE_SECONDS,
    )


def wait_for_store(image: str, store: SpanStore) -> Container:
    """An init container that waits until the store answers and lets the user in, and says what it waits for."""
    return program("wait-for-span-store", image, "wait", store)
