"""Does the AWS stand-in speak as Pulumi's real AWS provider does? Its every name is compared with that one's SDK."""

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from typing import Any

import pulumi_aws
import pytest

from sandbox.aws.provider.invokes import FUNCTIONS
from sandbox.aws.provider.resources import TYPES
from sandbox.aws.provider.settings import Endpoint, ProviderSettings
from sandbox.aws.provider.shape import Fields, Kind

# The SDK warns of its own old names while it is imported.

# How an SDK annotation of each kind reads; `Args` is one of the SDK's own classes.
ANNOTATIONS = {
    Kind.TEXT: r"^str\b",
    Kind.POLICY: r"^str\b|PolicyDocument",
    Kind.WHOLE: r"^int\b",
    Kind.TRUTH: r"^bool\b",
    Kind.TEXTS: r"^Sequence\[str\b",
    Kind.MAP: r"^Mapping\[str, ?str\b",
    Kind.OBJECT: r"^ForwardRef\('\w+Args'",
    Kind.OBJECTS: r"^Sequence\[ForwardRef\('\w+Args'",
}


def sdk_class(token: str) -> Any:
    """The SDK's class (or, for a function, the function) of a token such as `aws:s3/bucket:Bucket`."""
    package, name = re.fullmatch(r"aws:(\w+)/\w+:(\w+)", token).groups()  # type: ignore[union-attr]
    # By attribute: the SDK loads its packages when they are first used, and an import past that half loads them.
    found = pulumi_aws if package == "index" else getattr(pulumi_aws, package)
    return getattr(found, name, None) or getattr(found, snake(name))


def args_class(token: str) -> Any:
    """The class of the type's inputs; the SDK calls it InitArgs where Args is the name of a nested object."""
    found = sdk_class(token)
    module = sys.modules[found.__module__]
    return getattr(module, f"{found.__name__}InitArgs", None) or getattr(module, f"{found.__name__}Args")


def snake(name: str) -> str:
    return re.sub(r"([A-Z])", r"_\1", name).lower()


def getters(found: type) -> dict[str, str]:
    """The class's properties: their name on the wire, by their Python name."""
    properties = {name: value for name, value in vars(found).items() if isinstance(value, property)}
    return {name: getattr(value.fget, "_pulumi_name", name) for name, value in properties.items()}


def parameters(found: type) -> dict[str, inspect.Parameter]:
    """What the class is made from, by the name on the wire."""
    names = getters(found)
    given = list(inspect.signature(found.__init__).parameters.items())[1:]  # type: ignore[misc]
    return {names[name]: parameter for name, parameter in given}


def annotation(parameter: inspect.Parameter) -> str:
    """The parameter's type without what every Pulumi input has around it."""
    return re.sub(r"typing\.|Union\[", "", str(parameter.annotation))


def mistakes(fields: Fields, found: type, where: str) -> Iterator[str]:
    """Where the stand-in's schema and the SDK's class disagree."""
    known = parameters(found)
    for name, field in fields.items():
        path = f"{where}.{name}"
        if name not in known:
            yield f"{path}: the SDK has no such property"
            continue
        text = annotation(known[name])
        if not re.search(ANNOTATIONS[field.kind], text):
            yield f"{path}: {field.kind} here, {text} in the SDK"
        elif field.fields:
            inner = re.search(r"ForwardRef\('(\w+Args)'", text)
            assert inner is not None
            package = found.__module__.rpartition(".")[0] or found.__module__
            inputs = importlib.import_module(f"{package}._inputs")
            yield from mistakes(field.fields, getattr(inputs, inner[1]), path)
    for name, parameter in known.items():
        wanted = parameter.default is inspect.Parameter.empty
        if wanted and not (name in fields and fields[name].required):
            yield f"{where}.{name}: the SDK requires it, the stand-in does not"


@pytest.mark.parametrize("token", sorted(TYPES), ids=lambda token: token.rpartition(":")[2])
def test_every_input_is_the_sdks(token: str) -> None:
    assert sdk_class(token).pulumi_type == token
    assert list(mistakes(TYPES[token].fields, args_class(token), token)) == []


@pytest.mark.parametrize("token", sorted(TYPES), ids=lambda token: token.rpartition(":")[2])
def test_every_output_is_the_sdks(token: str) -> None:
    kind = TYPES[token]
    outputs = {*kind.fields, *kind.computed, *({"tagsAll"} if "tags" in kind.fields else set())}
    assert outputs - set(getters(sdk_class(token)).values()) == set()


def test_a_mistake_in_a_schema_is_found() -> None:
    token = "aws:s3/bucketVersioning:BucketVersioning"
    right = TYPES[token].fields
    wrong = {"buckett": right["bucket"], "mfa": TYPES["aws:s3/bucket:Bucket"].fields["forceDestroy"]}
    assert list(mistakes(wrong, args_class(token), "x")) == [
        "x.buckett: the SDK has no such property",
        "x.mfa: true or false here, str, NoneType, collections.abc.Awaitable[Optional[str]], "
        "ForwardRef('Output[T]')] in the SDK",
        "x.bucket: the SDK requires it, the stand-in does not",
        "x.versioningConfiguration: the SDK requires it, the stand-in does not",
    ]


def test_every_setting_is_the_sdks() -> None:
    known = set(getters(pulumi_aws.ProviderArgs).values())
    assert {field.alias or name for name, field in ProviderSettings.model_fields.items()} - known == set()
    assert set(Endpoint.model_fields) - set(getters(pulumi_aws.ProviderEndpointArgs).values()) == set()


@pytest.mark.parametrize("token", sorted(FUNCTIONS), ids=lambda token: token.rpartition(":")[2])
def test_every_function_takes_and_returns_what_the_sdk_says(token: str) -> None:
    name = token.rpartition(":")[2]
    function = sdk_class(token)
    module = sys.modules[function.__module__]
    source = inspect.getsource(function)
    assert f"'{token}'" in source
    taken = set(re.findall(r"__args__\['(\w+)'\]", source))
    assert set(FUNCTIONS[token].arguments) - taken == set()
    result = getattr(module, f"{name[0].upper()}{name[1:]}Result")
    assert set(FUNCTIONS[token].returns) - set(getters(result).values()) == set()
