"""Public keys: fingerprints of those that are given, and new pairs for clients too old to make their own. Stores nothing."""

import base64
import binascii
import hashlib
import re
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_public_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kilonova.errors import BadRequest

LONGEST = 16384
BITS = 2048
VALID_FOR = timedelta(days=3650)
_HARDWARE = re.compile(r"sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com")
"""Kinds of SSH key that live on a token: good keys, though `cryptography` does not know all of them."""


def ssh_fingerprint(public_key: str) -> str:
    """MD5, as Nova has always shown it. Raises BadRequest for what is no SSH public key."""
    parts = public_key.split(None, 2)
    try:
        if "\n" in public_key.strip() or len(parts) < 2 or len(public_key) > LONGEST:
            raise ValueError
        blob = base64.b64decode(parts[1], validate=True)
        if _HARDWARE.fullmatch(parts[0]) is None:
            load_ssh_public_key(public_key.strip().encode())
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        raise BadRequest("Keypair data is invalid: failed to generate fingerprint") from None
    return _colons(hashlib.md5(blob, usedforsecurity=False).hexdigest())


def x509_fingerprint(certificate: str) -> str:
    """SHA-1 of a PEM certificate. Raises BadRequest for what is none."""
    try:
        if len(certificate) > LONGEST:
            raise ValueError
        found = x509.load_pem_x509_certificate(certificate.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise BadRequest("Keypair data is invalid: failed to generate X509 fingerprint.") from None
    return _colons(found.fingerprint(hashes.SHA1()).hex())  # a name for the key, not a protection


def make_ssh_pair() -> tuple[str, str]:
    """(public key, private key), RSA as from Nova. Takes a tenth of a second: call it in a thread."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return f"{public} Generated-by-Kilonova", _private_text(private)


def make_x509_pair(user_name: str) -> tuple[str, str]:
    """(certificate, private key), for guests that log in by certificate. Takes a tenth of a second: call it in a thread."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user_name[:64] or "user")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + VALID_FOR)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.PEM).decode(), _private_text(private)


def _private_text(private: rsa.RSAPrivateKey) -> str:
    return private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


def _colons(digits: str) -> str:
    return ":".join(digits[place : place + 2] for place in range(0, len(digits), 2))
