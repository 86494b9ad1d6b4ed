"""Every name the bus uses on the wire, in one place, so that permissions and traffic cannot drift apart.

    queue.<kind>.<name>     what lies in a node's queue (kept in the stream ORDERS)
    deliver.<kind>.<name>   the broker pushes a queue's messages to its node here
    report.<node>           a node reports to control, as itself
    ask.<node>              control asks a node
    live.<node>.<server>    the live view of a build
    news.>                  notifications (kept in the stream NEWS)
    _INBOX.<who>.>          replies to one connection; answers from network nodes come to _INBOX.<who>.answer.>

It does not publish anything and does not know the broker.
"""

import re
from typing import Literal

QueueKind = Literal["compute", "network", "volume"]

ORDERS = "ORDERS"
NEWS = "NEWS"
CONTROL = "control"
"""The queue group of all control processes, and the first name of each of them."""

ANSWERS = "_INBOX.*.answer.>"
"""Where network and volume nodes answer those who put something into their queue."""

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


def token(name: str) -> str:
    """A host's or node's name as one subject token: everything but letters, digits, ``-`` and ``_`` becomes ``=XX``."""
    if _PLAIN.fullmatch(name):
        return name
    if not name:
        raise ValueError("an empty name cannot be a subject")
    return "".join(chr(byte) if _PLAIN.fullmatch(chr(byte)) else f"={byte:02X}" for byte in name.encode())


def queue(kind: QueueKind, name: str) -> str:
    """What `put` is told: ``compute.<host>`` or ``network.<node>``, with the name as it is."""
    return f"{kind}.{name}"


def queue_subject(queue: str) -> str:
    """The subject of a queue named by `queue()`. Raises ValueError when it is not such a name."""
    kind, dot, name = queue.partition(".")
    if kind not in ("compute", "network", "volume") or not dot:
        raise ValueError(f"not a queue: {queue!r}")
    return f"queue.{kind}.{token(name)}"


def deliver_subject(kind: QueueKind, name: str) -> str:
    """Where the broker pushes this queue's messages."""
    return f"deliver.{kind}.{token(name)}"


def consumer(kind: QueueKind, name: str) -> str:
    """The broker's name for the reader of one queue."""
    return f"{kind}-{token(name)}"


def report_subject(node: str) -> str:
    """Where a node reports; control answers on ``report.*``."""
    return f"report.{token(node)}"


def ask_subject(node: str) -> str:
    """Where a node is asked."""
    return f"ask.{token(node)}"


def live_subject(node: str, server_id: str) -> str:
    """Where a node shows a build while it goes on; read all with ``live.>``."""
    return f"live.{token(node)}.{token(server_id)}"


def sender(subject: str) -> str:
    """The node in ``report.<node>`` or ``live.<node>.<server>``: permissions make sure that it is true."""
    coded = subject.split(".")[1]
    return re.sub(r"(?:=[0-9A-F]{2})+", lambda m: bytes.fromhex(m[0].replace("=", "")).decode(), coded)


def inbox(who: str) -> str:
    """The prefix of all replies to `who`."""
    return f"_INBOX.{token(who)}"
