# ruff: noqa: ARG002 - the signatures are the protocol's
"""The Pulumi provider protocol over `lifecycle`: what the engine speaks to `pulumi-resource-aws`.

The engine strips secrets on the way in and marks again what the program had marked; what the schema calls secret is
marked here on the way out.
"""

import json
import threading
from collections.abc import Callable
from importlib import metadata
from typing import Any, NoReturn, TypeAlias, TypeVar

import grpc
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from sandbox.aws.provider import check, diff, invokes, lifecycle, settings
from sandbox.aws.provider.clients import Clients
from sandbox.aws.provider.errors import AwsError, PartlyCreatedError, in_words
from sandbox.aws.provider.resources import TYPES
from sandbox.aws.provider.settings import ProviderSettings
from sandbox.aws.provider.wire import has_unknown, mark_secrets, pack, unpack

T = TypeVar("T")
Context: TypeAlias = grpc.ServicerContext


def version() -> str:
    """The version of the pulumi-aws SDK that the stand-in was written against and is checked against."""
    return metadata.version("pulumi-aws")


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """One running provider; the engine starts a process per provider resource and stops it by ending it."""

    def __init__(self, stop: threading.Event) -> None:
        self._clients = Clients(ProviderSettings())
        self._stop = stop

    # The provider itself

    def Handshake(self, request: Any, context: Context) -> Any:
        return provider_pb2.ProviderHandshakeResponse()

    def Attach(self, request: Any, context: Context) -> Any:
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Context) -> Any:
        return plugin_pb2.PluginInfo(version=version())

    def GetSchema(self, request: Any, context: Context) -> Any:
        resources: dict[str, Any] = {name: {} for name in sorted(TYPES)}
        functions: dict[str, Any] = {name: {} for name in sorted(invokes.FUNCTIONS)}
        schema = {"name": "aws", "version": version(), "resources": resources, "functions": functions}
        return provider_pb2.GetSchemaResponse(schema=json.dumps(schema))

    def Cancel(self, request: Any, context: Context) -> Any:
        self._stop.set()
        return empty_pb2.Empty()

    def CheckConfig(self, request: Any, context: Context) -> Any:
        failures = settings.failures(unpack(request.news))
        return provider_pb2.CheckResponse(inputs=request.news, failures=_failures(failures))

    def DiffConfig(self, request: Any, context: Context) -> Any:
        old, new = settings.decoded(unpack(request.olds)), settings.decoded(unpack(request.news))
        changed = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
        # Another region is another place: what is there is not what was here.
        replaces = [name for name in changed if name == "region" and name in old and name in new]
        return provider_pb2.DiffResponse(changes=_some(changed), diffs=changed, replaces=replaces)

    def Configure(self, request: Any, context: Context) -> Any:
        values = unpack(request.args)
        if not has_unknown(values):
            self._clients = Clients(settings.parse(values))
            if not self._clients.settings.skip_credentials_validation:
                self._run(context, "the provider's credentials", self._clients.account_id)
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Invoke(self, request: Any, context: Context) -> Any:
        function = invokes.FUNCTIONS.get(request.tok)
        if function is None:
            known = ", ".join(sorted(invokes.FUNCTIONS))
            _refuse(context, f"the AWS stand-in does not know the function {request.tok}; it knows {known}")
        arguments = unpack(request.args)
        failures = check.failures(arguments, function.arguments)
        if failures:
            return provider_pb2.InvokeResponse(failures=_failures(failures))
        answer = self._run(context, request.tok, lambda: function.call(self._clients, arguments))
        # What is declared is compared with the SDK by a test; a result that is not would escape it.
        if undeclared := set(answer) - set(function.returns):
            _refuse(context, f"{request.tok} returns {sorted(undeclared)}, which it does not declare")
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(pack(answer))  # the field's name is a Python keyword
        return response

    # Resources

    def Check(self, request: Any, context: Context) -> Any:
        kind = self._kind(request.urn, context)
        name = request.urn.rpartition("::")[2]
        inputs, failures = lifecycle.checked(kind, name, request.randomSeed, unpack(request.olds), unpack(request.news))
        return provider_pb2.CheckResponse(inputs=pack(inputs), failures=_failures(failures))

    def Diff(self, request: Any, context: Context) -> Any:
        kind = self._kind(request.urn, context)
        found = lifecycle.difference(kind, unpack(request.old_inputs), unpack(request.news), unpack(request.olds))
        changed = [change.path for change in found.changes]
        return provider_pb2.DiffResponse(
            changes=_some(changed),
            diffs=changed,
            replaces=[change.path for change in found.changes if change.replaces],
            detailedDiff={change.path: _detail(change) for change in found.changes},
            hasDetailedDiff=True,
            deleteBeforeReplace=found.delete_before_replace,
        )

    def Create(self, request: Any, context: Context) -> Any:
        kind = self._kind(request.urn, context)
        inputs = unpack(request.properties)
        if request.preview:
            outputs = lifecycle.preview_create(kind, inputs)
            return provider_pb2.CreateResponse(properties=pack(mark_secrets(outputs, kind.fields)))
        state = self._run(context, request.urn, lambda: lifecycle.create(kind, inputs), inputs)
        outputs = mark_secrets(state.outputs, kind.fields)
        return provider_pb2.CreateResponse(id=state.resource_id, properties=pack(outputs))

    def Read(self, request: Any, context: Context) -> Any:
        kind = self._kind(request.urn, context)
        inputs = unpack(request.inputs)
        state = self._run(context, request.urn, lambda: lifecycle.read(kind, request.id, inputs))
        if state is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(
            id=state.resource_id,
            properties=pack(mark_secrets(state.outputs, kind.fields)),
            inputs=pack(mark_secrets(state.inputs, kind.fields)),
        )

    def Update(self, request: Any, context: Context) -> Any:
        kind = self._kind(request.urn, context)
        old, new = unpack(request.old_inputs), unpack(request.news)
        if request.preview:
            outputs = lifecycle.preview_update(kind, unpack(request.olds), old, new)
        else:
            state = self._run(context, request.urn, lambda: lifecycle.update(kind, request.id, old, new))
            outputs = state.outputs
        return provider_pb2.UpdateResponse(properties=pack(mark_secrets(outputs, kind.fields)))

    def Delete(self, request: Any, context: Context) -> Any:
        kind = self._kind(request.urn, context)
        state = unpack(request.properties)
        self._run(context, request.urn, lambda: kind.delete(request.id, state))
        return empty_pb2.Empty()

    def _kind(self, urn: str, context: Context) -> Any:
        # The last of the `$`-separated types is the resource's own; the others are its parents'.
        type_name = urn.split("::")[2].rpartition("$")[2]
        try:
            return lifecycle.resource(type_name, self._clients)
        except AwsError as error:
            _refuse(context, str(error))

    def _run(self, context: Context, subject: str, call: Callable[[], T], inputs: Any = None) -> T:
        """The call's result; every failure becomes one line for the person, and none is lost."""
        try:
            return call()
        except PartlyCreatedError as error:
            _partly_created(context, error, inputs)
        except Exception as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{subject}: {in_words(error)}")


def _refuse(context: Context, reason: str) -> NoReturn:
    context.abort(grpc.StatusCode.INVALID_ARGUMENT, reason)
    raise AssertionError("abort raises")


def _partly_created(context: Context, error: PartlyCreatedError, inputs: Any) -> NoReturn:
    """Fails, and tells the engine the id, so that the next run goes on with the resource instead of losing it."""
    unfinished = provider_pb2.ErrorResourceInitFailed(
        id=error.resource_id, properties=pack(inputs or {}), reasons=[str(error)], inputs=pack(inputs or {})
    )
    detail = any_pb2.Any()
    detail.Pack(unfinished)
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error), details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, str(error))
    raise AssertionError("abort raises")


def _failures(found: list[check.Failure]) -> list[Any]:
    return [provider_pb2.CheckFailure(property=failure.path, reason=failure.reason) for failure in found]


def _some(changed: list[str]) -> Any:
    return provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE


def _detail(change: diff.Change) -> Any:
    kind = f"{change.how}_REPLACE" if change.replaces else str(change.how)
    # Paths are those of inputs; tagsAll alone is an output.
    return provider_pb2.PropertyDiff(
        kind=provider_pb2.PropertyDiff.Kind.Value(kind), inputDiff=not change.path.startswith("tagsAll")
    )
