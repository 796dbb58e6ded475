"""A certificate, where a test needs any that is well formed."""

import certifi

_END = "-----END CERTIFICATE-----\n"
CERTIFICATE = certifi.contents().split("-----BEGIN CERTIFICATE-----", 1)[1].split(_END, 1)[0]
CERTIFICATE = f"-----BEGIN CERTIFICATE-----{CERTIFICATE}{_END}"
