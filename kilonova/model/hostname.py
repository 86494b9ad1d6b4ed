"""A host name from a server's name, as Nova makes it: RFC 1123, or the server's id where nothing is left of the name."""

import re
import unicodedata

_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9.-]")
_DOTS_AND_SPACES = re.compile(r"[ _.]")


def hostname_for(name: str, server_id: str) -> str:
    """At most 63 characters of letters, digits and dashes."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    cleaned = _NOT_ALLOWED.sub("", _DOTS_AND_SPACES.sub("-", ascii_name)).lower().strip(".-")
    return cleaned[:63].rstrip(".-") or f"server-{server_id}"
