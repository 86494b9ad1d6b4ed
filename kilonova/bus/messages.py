"""The envelope: a message class becomes msgpack bytes and a few headers, and comes back as that class or not at all.

The message classes themselves stand in the story, beside who sends and who handles them; this room only packs. Readers
tolerate fields they do not know and fill in defaults for those that are missing, so a class may grow; one that changes its
meaning gets a new name.
"""

import time
from collections.abc import Mapping
from typing import TypeVar

import msgspec
from msgspec import Struct

from kilonova import errors

KIND = "Kilonova-Message"
VERSION = "Kilonova-Version"
SENT = "Kilonova-Sent"
ANSWER_TO = "Kilonova-Answer"
TRACEPARENT = "traceparent"
MESSAGE_ID = "Nats-Msg-Id"

ENVELOPE_VERSION = "1"

Reply = TypeVar("Reply", bound=Struct)


class Unreadable(Exception):
    """A message of a kind or version nobody here knows, or a body that does not fit its kind: no repetition will help."""


class Packed(Struct, frozen=True):
    """A message on its way: its class's name and its bytes. What an outbox may keep."""

    kind: str
    body: bytes


class Refused(Struct, frozen=True):
    """The reply of one who could not do what was asked: a domain error, by its class."""

    error: str
    text: str


FAILURES: Mapping[str, type[errors.KilonovaError]] = {
    error.__name__: error
    for error in vars(errors).values()
    if isinstance(error, type) and issubclass(error, errors.KilonovaError)
}
"""Every error of ``errors.py`` keeps its class on the way; one that this process does not know arrives as Unavailable."""


def pack(message: Struct | errors.KilonovaError | Packed) -> Packed:
    """A message, a domain error as a reply, or what is packed already."""
    if isinstance(message, Packed):
        return message
    if isinstance(message, errors.KilonovaError):
        message = Refused(type(message).__name__, str(message))
    return Packed(type(message).__name__, encode(message))


def encode(message: Struct) -> bytes:
    """The body alone."""
    return msgspec.msgpack.encode(message)


def headers(packed: Packed, traceparent: str = "") -> dict[str, str]:
    """What travels beside the body. The time of sending is a Unix time in seconds."""
    found = {KIND: packed.kind, VERSION: ENVELOPE_VERSION, SENT: f"{time.time():.6f}"}
    if traceparent:
        found[TRACEPARENT] = traceparent
    return found


Known = TypeVar("Known")
Registry = Mapping[type[Struct], Known]


def decode(known: Registry[Known], head: Mapping[str, str], body: bytes) -> tuple[Struct, Known]:
    """The message, and what stands beside its class in `known` (its handler). Raises Unreadable."""
    kind, version = head.get(KIND, ""), head.get(VERSION, "")
    if version != ENVELOPE_VERSION:
        raise Unreadable(f"envelope version {version!r}")
    for message_class, value in known.items():
        if message_class.__name__ == kind:
            return _unpack(body, message_class), value
    raise Unreadable(f"unknown kind {kind!r}")


def decode_reply(reply_type: type[Reply], head: Mapping[str, str], body: bytes) -> Reply:
    """The reply; a refusal is raised as the domain error it carries. Raises Unreadable."""
    message, _ = decode({reply_type: None, Refused: None}, head, body)
    if isinstance(message, Refused):
        raise FAILURES.get(message.error, errors.Unavailable)(message.text)
    assert isinstance(message, reply_type)
    return message


def queue_wait_s(head: Mapping[str, str]) -> float:
    """Seconds since the message was sent; 0 when the clocks of two machines disagree or nothing is known."""
    try:
        return max(0.0, time.time() - float(head[SENT]))
    except (KeyError, ValueError):
        return 0.0


def _unpack(body: bytes, message_class: type[Reply]) -> Reply:
    try:
        return msgspec.msgpack.decode(body, type=message_class)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Unreadable(f"{message_class.__name__}: {error}") from error
