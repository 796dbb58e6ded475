"""Drives the AWS stand-in as Pulumi's engine does: over gRPC, in the engine's order (check, diff, then the act)."""

import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from sandbox.aws.provider.server import Provider
from sandbox.aws.provider.wire import pack, unpack

ACCOUNT = "123456789012"  # moto's
REGION = "eu-west-1"
_SECRET = "4dabf18193072939515e22adb298388d"


@dataclass
class Known:
    """A resource as the engine's state would hold it."""

    type_name: str
    resource_id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any] = field(default_factory=dict)


class Refused(Exception):
    """The provider's check refused the inputs; the text holds every reason."""


class Engine:
    def __init__(self, stub: Any) -> None:
        self._stub = stub

    def check(
        self, type_name: str, inputs: dict[str, Any], old: dict[str, Any] | None = None, name: str = "thing"
    ) -> dict[str, Any]:
        answer = self._stub.Check(
            provider_pb2.CheckRequest(
                urn=_urn(type_name, name), olds=pack(old or {}), news=pack(inputs), randomSeed=b"seed"
            )
        )
        if answer.failures:
            raise Refused("\n".join(failure.reason for failure in answer.failures))
        return unpack(answer.inputs)

    def diff(self, known: Known, inputs: dict[str, Any]) -> Any:
        return self._stub.Diff(
            provider_pb2.DiffRequest(
                id=known.resource_id,
                urn=_urn(known.type_name),
                olds=pack(known.outputs),
                news=pack(self.check(known.type_name, inputs, known.inputs)),
                old_inputs=pack(known.inputs),
            )
        )

    def preview(self, type_name: str, inputs: dict[str, Any]) -> dict[str, Any]:
        checked = self.check(type_name, inputs)
        answer = self._stub.Create(
            provider_pb2.CreateRequest(urn=_urn(type_name), properties=pack(checked), preview=True)
        )
        previewed: dict[str, Any] = _plain(unpack(answer.properties))
        return previewed

    def create(self, type_name: str, inputs: dict[str, Any]) -> Known:
        checked = self.check(type_name, inputs)
        answer = self._stub.Create(provider_pb2.CreateRequest(urn=_urn(type_name), properties=pack(checked)))
        return Known(type_name, answer.id, checked, _plain(unpack(answer.properties)))

    def update(self, known: Known, inputs: dict[str, Any], *, preview: bool = False) -> Known:
        checked = self.check(known.type_name, inputs, known.inputs)
        answer = self._stub.Update(
            provider_pb2.UpdateRequest(
                id=known.resource_id,
                urn=_urn(known.type_name),
                olds=pack(known.outputs),
                news=pack(checked),
                old_inputs=pack(known.inputs),
                preview=preview,
            )
        )
        return Known(known.type_name, known.resource_id, checked, _plain(unpack(answer.properties)))

    def refresh(self, known: Known) -> Known | None:
        answer = self._stub.Read(
            provider_pb2.ReadRequest(
                id=known.resource_id,
                urn=_urn(known.type_name),
                properties=pack(known.outputs),
                inputs=pack(known.inputs),
            )
        )
        if not answer.id:
            return None
        return Known(known.type_name, answer.id, _plain(unpack(answer.inputs)), _plain(unpack(answer.properties)))

    def adopt(self, type_name: str, resource_id: str) -> Known | None:
        """What `pulumi import` reads."""
        return self.refresh(Known(type_name, resource_id, {}))

    def delete(self, known: Known) -> None:
        self._stub.Delete(
            provider_pb2.DeleteRequest(id=known.resource_id, urn=_urn(known.type_name), properties=pack(known.outputs))
        )

    def invoke(self, token: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self._stub.Invoke(provider_pb2.InvokeRequest(tok=token, args=pack(arguments or {})))
        if answer.failures:
            raise Refused("\n".join(failure.reason for failure in answer.failures))
        return unpack(getattr(answer, "return"))

    def configure(self, settings: dict[str, Any]) -> None:
        answer = self._stub.CheckConfig(provider_pb2.CheckRequest(urn="", news=pack(settings)))
        if answer.failures:
            raise Refused("\n".join(failure.reason for failure in answer.failures))
        self._stub.Configure(provider_pb2.ConfigureRequest(args=answer.inputs))


def local_settings(endpoint: str, **more: Any) -> dict[str, Any]:
    """The settings of stack `sandbox`, as the engine hands them over: what is not text is JSON text."""
    services = ", ".join(f'"{name}": "{endpoint}"' for name in ("ec2", "iam", "opensearch", "s3", "sts"))
    return {
        "region": REGION,
        "accessKey": "sandbox",
        "secretKey": "sandbox",
        "endpoints": f"[{{{services}}}]",
        "s3UsePathStyle": "true",
        "skipCredentialsValidation": "true",
        "skipMetadataApiCheck": "true",
        "skipRequestingAccountId": "true",
        **more,
    }


@contextmanager
def engine(settings: dict[str, Any] | None = None) -> Iterator[Engine]:
    """A provider of its own, configured when settings are given."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(threading.Event()), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        made = Engine(provider_pb2_grpc.ResourceProviderStub(channel))
        if settings is not None:
            made.configure(settings)
        yield made
    server.stop(None).wait()


def _urn(type_name: str, name: str = "thing") -> str:
    return f"urn:pulumi:sandbox::observability-stack::observability:index:ObjectStore${type_name}::{name}"


def _plain(value: Any) -> Any:
    """The value as the engine hands it back to a provider that takes no secrets."""
    if isinstance(value, dict):
        return _plain(value["value"]) if _SECRET in value else {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
