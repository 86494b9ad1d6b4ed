"""Reads requests: bodies, through the changes since the version, into their shapes; and single values. Looks nothing up."""

import ipaddress
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from kilonova.api.call import Call
from kilonova.api.compute.changes import lifts, lowers
from kilonova.api.compute.changes.change import Asked, Document, Shown
from kilonova.errors import BadRequest, NotFound

Body = TypeVar("Body")
MAX_PAGE = 1000
STRICT_SINCE = 102
"""The microversion from which every request refuses query parameters it does not know."""
TRUE = frozenset({"true", "1", "on", "yes", "t", "y"})
FALSE = frozenset({"false", "0", "off", "no", "f", "n"})
_DNS = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*")


def body(call: Call, shape: type[Body], asked: Asked | None = None) -> Body:
    """The body in the newest form. Raises BadRequest with what is wrong, and where."""
    if b"\\u0000" in call.body:
        raise BadRequest("Invalid input: the body holds a null character.")
    chain = lifts(asked, call.version[1]) if asked is not None else ()
    if not chain:
        return call.json(shape)
    document: Document = call.json(dict[str, Any])
    for lift in chain:
        document = lift(document)
    try:
        return msgspec.convert(document, shape)
    except msgspec.ValidationError as wrong:
        raise BadRequest(f"Invalid input: {wrong}") from None


def query(call: Call, asked: Asked, known: frozenset[str]) -> Mapping[str, list[str]]:
    """The query in the newest form, which refuses what it does not know."""
    document: Document = call.query
    for lift in lifts(asked, call.version[1]):
        document = lift(document)
    unknown = document.keys() - known
    if unknown:
        raise BadRequest(f"Additional properties are not allowed ('{sorted(unknown)[0][:80]}' was unexpected)")
    return document


def shown(call: Call, what: Shown, document: Document, about: object) -> Document:
    """A document in the form of the client's version."""
    for lower in lowers(what, call.version[1]):
        document = lower(document, about)
    return document


def only(call: Call, *names: str, since: int = STRICT_SINCE) -> None:
    """From version 2.`since` on, a query parameter of another name is an error. Raises BadRequest."""
    unknown = call.query.keys() - set(names)
    if unknown and call.version[1] >= since:
        raise BadRequest(f"Additional properties are not allowed ('{sorted(unknown)[0][:80]}' was unexpected)")


def last(query: Mapping[str, list[str]], name: str) -> str | None:
    """The last value of a parameter, or None."""
    values = query.get(name)
    return values[-1] if values else None


def page(query: Mapping[str, list[str]]) -> tuple[str | None, int]:
    """(marker, limit). Limit 0 means nothing at all, none the largest page. Raises BadRequest."""
    text = last(query, "limit")
    limit = MAX_PAGE
    if text is not None:
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise BadRequest(f"Invalid input for query parameters limit. Value: {text[:80]}. It must be a number of at least 0.")
        limit = min(int(text), MAX_PAGE)
    return last(query, "marker"), limit


def page_by_offset(call: Call) -> tuple[int, int]:
    """(offset, limit) of the older lists, where limit 0 means the largest page, as in Nova. Raises BadRequest."""
    offset = last(call.query, "offset")
    _, limit = page(call.query)
    return (0 if offset is None else whole(offset, "offset")), limit or MAX_PAGE


def truth(value: bool | str | int | None, name: str) -> bool:
    """A boolean as OpenStack's clients write it. Raises BadRequest."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise BadRequest(f"Invalid input for field/attribute {name}. Value: {str(value)[:80]}. It is not a boolean.")


def whole(value: int | str, name: str, least: int = 0, most: int = 2**31 - 1) -> int:
    """A whole number, also one written as text. Raises BadRequest."""
    if isinstance(value, str):
        if re.fullmatch(r"-?\d{1,12}", value, re.ASCII) is None:
            raise BadRequest(f"Invalid input for field/attribute {name}. Value: {value[:80]}. It is not an integer.")
        value = int(value)
    if not least <= value <= most:
        raise BadRequest(
            f"Invalid input for field/attribute {name}. Value: {str(value)[:40]}. It must be between {least} and {most}."
        )
    return value


def text(value: str, name: str, *, least: int = 1, most: int = 255) -> str:
    """A name as Nova takes it: printable, without spaces at its ends. Raises BadRequest."""
    if not least <= len(value) <= most:
        raise BadRequest(
            f"Invalid input for field/attribute {name}. It must have {least} to {most} characters, not {len(value)}."
        )
    if value.strip() != value or not value.isprintable():
        raise BadRequest(
            f"Invalid input for field/attribute {name}. Value: {value[:80]}. Spaces at its ends or unprintable characters."
        )
    return value


def free_text(value: str | None, name: str, most: int = 255) -> str | None:
    """A description: line breaks are fine, other control characters are not. Raises BadRequest."""
    if value is None:
        return None
    if len(value) > most:
        raise BadRequest(f"Invalid input for field/attribute {name}. It is too long: more than {most} characters.")
    if not value.isprintable() and any(not c.isprintable() and c not in "\n\r\t\u00a0\u3000" for c in value):
        raise BadRequest(f"Invalid input for field/attribute {name}. It holds unprintable characters.")
    return value


def pattern(value: str | None, name: str) -> str | None:
    """A regular expression to search by, or None. Raises BadRequest."""
    if not value:
        return None
    if len(value) > 255:
        raise BadRequest(f"Invalid input for query parameters {name}. It is too long.")
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError):
        raise BadRequest(f"Invalid input for query parameters {name}. Value: {value}. It is not a 'regex'.") from None
    return value


def uuid_text(value: str, name: str) -> str:
    """A UUID in its usual form. Raises BadRequest."""
    try:
        return str(uuid.UUID(value))
    except ValueError:
        raise BadRequest(f"Invalid input for field/attribute {name}. Value: {value[:80]}. It is not a 'uuid'.") from None


def server_id(call: Call) -> str:
    """The server a path speaks of. What is no UUID is no server: NotFound."""
    given = call.path["server_id"]
    if len(given) > 64:
        raise NotFound("Instance could not be found.")
    return given


def ip_text(value: str, name: str, version: int | None = None) -> str:
    """An IP address in its canonical form. Raises BadRequest."""
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        address = None
    if address is None or (version is not None and address.version != version):
        raise BadRequest(f"Invalid input for field/attribute {name}. Value: {value[:80]}. It is not an 'ipv{version or 4}'.")
    return str(address)


def hostname_text(value: str, name: str) -> str:
    """A host name or full domain name. Raises BadRequest."""
    if len(value) > 255 or _DNS.fullmatch(value) is None:
        raise BadRequest(f"Invalid input for field/attribute {name}. Value: {value[:80]}. It is not a host name.")
    return value


def moment(value: str, name: str) -> float:
    """ISO 8601 → Unix time; without a zone it is UTC. Raises BadRequest."""
    try:
        when = datetime.fromisoformat(
            value.strip().replace(" ", "+") if value.count(" ") == 1 and "T" in value else value.strip()
        )
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise BadRequest(f"Invalid input for field/attribute {name}. Value: {value[:80]}. It is not a date-time.") from None
