"""The kernel's table of conversations, in the namespace of the calling thread: look through it, and end some of them.

Spoken straight over netlink, since looking through thousands by a library takes seconds.
"""

import errno
import ipaddress
import os
import socket
import struct
from collections.abc import Callable, Iterator

from msgspec import Struct

_NETFILTER = 12
_GET, _DELETE = 0x0101, 0x0102
_REQUEST, _ACK, _DUMP = 0x001, 0x004, 0x300
_ERROR, _DONE = 2, 3
_ORIGINAL, _REPLY, _ZONE = 1, 2, 18
_LIMIT_S = 10.0


class Flow(Struct, frozen=True, kw_only=True):
    """One conversation as its first packet began it; `answer_from` and `answer_to` differ from that where it is translated.

    `port` is the port it is meant for (ICMP: the type), `code` ICMP's code.
    """

    protocol: int
    source: str
    target: str
    port: int
    code: int
    answer_from: str
    answer_to: str


def end_all_but(keep: Callable[[Flow], bool]) -> int:
    """End every conversation that `keep` does not want; how many. Raises OSError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER) as wire:
        wire.bind((0, 0))
        wire.settimeout(_LIMIT_S)
        unwanted = [(family, found) for family, found, flow in _all(wire) if not keep(flow)]
        for family, found in unwanted:
            body = _attribute(_ORIGINAL | 0x8000, found[_ORIGINAL])
            body += _attribute(_ZONE, found[_ZONE]) if _ZONE in found else b""
            _send(wire, _DELETE, _REQUEST | _ACK, family, body)
            for kind, answer in _messages(wire.recv(65536)):
                code = -struct.unpack_from("=i", answer)[0] if kind == _ERROR else 0
                if code not in (0, errno.ENOENT):  # it may have ended by itself
                    raise OSError(code, os.strerror(code))
    return len(unwanted)


def _all(wire: socket.socket) -> Iterator[tuple[int, dict[int, bytes], Flow]]:
    _send(wire, _GET, _REQUEST | _DUMP, 0, b"")
    while True:
        for kind, body in _messages(wire.recv(1 << 20)):
            if kind == _DONE:
                return
            if kind == _ERROR:
                code = -struct.unpack_from("=i", body)[0]
                raise OSError(code, os.strerror(code))
            found = _attributes(body[4:])
            if _ORIGINAL in found and _REPLY in found:
                yield body[0], found, _flow(found)


def _flow(found: dict[int, bytes]) -> Flow:
    source, target, way = _tuple(found[_ORIGINAL])
    answer_from, answer_to, _ = _tuple(found[_REPLY])
    protocol = way[1][0]
    kind, code = (way.get(5), way.get(6)) if protocol == 1 else (way.get(8), way.get(9))
    port = kind[0] if kind else struct.unpack(">H", way.get(3, b"\0\0"))[0]
    return Flow(
        protocol=protocol,
        source=source,
        target=target,
        port=port,
        code=code[0] if code else 0,
        answer_from=answer_from,
        answer_to=answer_to,
    )


def _tuple(body: bytes) -> tuple[str, str, dict[int, bytes]]:
    parts = _attributes(body)
    ends = _attributes(parts[1])
    source, target = ends.get(1) or ends[3], ends.get(2) or ends[4]
    return str(ipaddress.ip_address(source)), str(ipaddress.ip_address(target)), _attributes(parts[2])


def _send(wire: socket.socket, kind: int, flags: int, family: int, body: bytes) -> None:
    wire.send(struct.pack("=IHHIIBBH", 20 + len(body), kind, flags, 1, 0, family, 0, 0) + body)


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        yield kind, data[16:length]
        data = data[(length + 3) & ~3 :]


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        found[kind & 0x3FFF] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


def _attribute(kind: int, body: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(body), kind) + body + bytes(-len(body) % 4)
