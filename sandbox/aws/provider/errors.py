"""What can go wrong between the stand-in and the local AWS, in words for the person who runs Pulumi."""

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError


class AwsError(Exception):
    """What AWS refused or why it could not be asked, in one line."""


class PartlyCreatedError(AwsError):
    """The resource exists now, but is not as asked. `resource_id` is what the state must remember."""

    def __init__(self, resource_id: str, reason: str) -> None:
        super().__init__(reason)
        self.resource_id = resource_id


def code(error: ClientError) -> str:
    """AWS's code for the error (`NoSuchBucket`), or the HTTP status where it sent no body."""
    return str(error.response.get("Error", {}).get("Code", ""))


def in_words(error: Exception) -> str:
    """The error as one line for people."""
    if isinstance(error, ClientError):
        details = error.response.get("Error", {})
        return f"AWS refused {error.operation_name}: {details.get('Code')}: {details.get('Message')}"
    if isinstance(error, ConnectionError | HTTPClientError):
        return f"the local AWS does not answer ({error}); is the sandbox up? `make up` starts it"
    if isinstance(error, BotoCoreError):
        return f"the call to AWS could not be made: {error}"
    return str(error) or type(error).__name__
