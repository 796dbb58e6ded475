"""What every resource type of the stand-in is made of."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from botocore.exceptions import ClientError

from sandbox.aws.provider.clients import Clients
from sandbox.aws.provider.errors import PartlyCreatedError, code, in_words
from sandbox.aws.provider.shape import Fields
from sandbox.aws.provider.wire import Values

T = TypeVar("T")


class Resource(ABC):
    """One AWS resource type: its properties, and the AWS calls behind its life.

    Values are named as the pulumi-aws SDK names them on the wire. Errors of AWS pass through; the server words them.
    """

    type_name: ClassVar[str]  # `aws:s3/bucket:Bucket`
    fields: ClassVar[Fields]
    computed: ClassVar[tuple[str, ...]] = ()  # outputs that only AWS knows, besides the properties
    name_field: ClassVar[str] = ""  # the property that is named automatically when the program leaves it out
    name_max_length: ClassVar[int] = 64
    name_lower_case: ClassVar[bool] = False

    def __init__(self, clients: Clients) -> None:
        self.aws = clients

    @abstractmethod
    def create(self, inputs: Values) -> str:
        """Creates it and returns its id. Raises PartlyCreatedError when it exists but is not finished."""

    @abstractmethod
    def read(self, resource_id: str, inputs: Mapping[str, Any]) -> Values | None:
        """What AWS knows of it: None when it is gone, a property's None when it is not set.

        A property that AWS does not tell is left out. `inputs` is empty for an import.
        """

    @abstractmethod
    def update(self, resource_id: str, old: Values, new: Values) -> None:
        """Makes it what the new inputs say; `old` is the inputs of last time."""

    @abstractmethod
    def delete(self, resource_id: str, state: Mapping[str, Any]) -> None:
        """Removes it; one that is gone already is no error."""

    @property
    def default_tags(self) -> dict[str, str]:
        return dict(self.aws.settings.default_tags.tags)

    def tags_all(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The resource's tags over the provider's default tags."""
        return {**self.default_tags, **inputs.get("tags", {})}

    def observed_tags(self, tags: Mapping[str, str], inputs: Mapping[str, Any]) -> Values:
        """`tags` and `tagsAll` out of the tags that AWS holds: what came from the provider's defaults is not `tags`."""
        said = inputs.get("tags", {})
        own = {key: value for key, value in tags.items() if key in said or self.default_tags.get(key) != value}
        return {"tags": own, "tagsAll": dict(tags)}


def tag_list(tags: Mapping[str, str]) -> list[Any]:
    """Tags as most of AWS's APIs take them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tag_map(tags: Any) -> dict[str, str]:
    """Tags out of an API's list; AWS's own (`aws:...`) cannot be set by anyone and are left out."""
    return {tag["Key"]: tag["Value"] for tag in tags or () if not tag["Key"].startswith("aws:")}


def tag_changes(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The tags to set and the keys to remove on the way from the old tags to the new."""
    return {key: value for key, value in new.items() if old.get(key) != value}, [key for key in old if key not in new]


def unless_gone(call: Callable[[], T], *gone: str) -> T | None:
    """The call's answer, or None when AWS says by one of these codes that the thing does not exist."""
    try:
        return call()
    except ClientError as error:
        if code(error) in gone:
            return None
        raise


def finish(resource_id: str, *steps: Callable[[], object]) -> str:
    """Runs what is left to do after the resource exists, and returns its id.

    Raises PartlyCreatedError when a step fails, so that the engine remembers the resource and does not lose it.
    """
    try:
        for step in steps:
            step()
    except Exception as error:
        raise PartlyCreatedError(resource_id, in_words(error)) from error
    return resource_id
