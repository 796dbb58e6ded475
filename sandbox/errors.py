"""The one error the sandbox shows to people."""


class SandboxError(Exception):
    """What went wrong and what to do about it, in one clear line; the command prints it without a traceback."""
