"""A user's key pair: its public half, which goes into guests. The private half is never stored."""

from msgspec import Struct

KEY_TYPES = ("ssh", "x509")


class Keypair(Struct, frozen=True, kw_only=True):
    """`fingerprint` is colon-separated hex: MD5 of an SSH key, SHA-1 of a certificate, as Nova shows them."""

    id: int
    user_id: str
    name: str
    type: str
    public_key: str
    fingerprint: str
    created_at: float
