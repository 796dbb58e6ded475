"""Certificates of the secured store: an authority of its own, the node's, and the administrator's."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_VALID_DAYS = 365
_ORGANISATION = "sandbox"


def ensure(folder: Path, host: str) -> None:
    """Makes ca.pem, node.pem, administrator.pem and their keys in `folder`, unless they are there."""
    if (folder / "administrator.pem").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    authority_key = _key()
    name = _name("authority")
    constraints = x509.BasicConstraints(ca=True, path_length=0)
    authority = _builder(name, name, authority_key).add_extension(constraints, critical=True)
    _write(folder, "ca", authority.sign(authority_key, hashes.SHA256()), authority_key)
    addresses = [x509.IPAddress(ipaddress.ip_address(address)) for address in dict.fromkeys((host, "127.0.0.1"))]
    for who in ("node", "administrator"):
        key = _key()
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        request = (
            _builder(_name(who), name, key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=False)
        )
        if who == "node":
            request = request.add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        _write(folder, who, request.sign(authority_key, hashes.SHA256()), key)


def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _name(who: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANISATION), x509.NameAttribute(NameOID.COMMON_NAME, who)]
    )


def _builder(subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=_VALID_DAYS))
    )


def _write(folder: Path, name: str, certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> None:
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret = folder / f"{name}-key.pem"
    secret.touch(mode=0o600)
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
