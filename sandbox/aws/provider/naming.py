"""Names for resources that the program leaves unnamed, made as Pulumi's AWS provider makes them."""

import random

_HEX_DIGITS = 7


def auto_name(resource_name: str, seed: bytes, *, max_length: int, lower_case: bool) -> str:
    """`<resource name>-<7 hex digits>`, the same for the same seed: a preview and its update must agree."""
    suffix = f"-{random.Random(seed).getrandbits(_HEX_DIGITS * 4):0{_HEX_DIGITS}x}"  # noqa: S311 - a name, not a key
    stem = (resource_name.lower() if lower_case else resource_name)[: max_length - len(suffix)]
    return stem + suffix
