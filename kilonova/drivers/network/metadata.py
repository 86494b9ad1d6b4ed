"""The metadata service at 169.254.169.254: HTTP for guests, answered from the documents that came with the wire.

Who asks is told by the network the request came in on and by the address it came from, never by a header. It reads no
file and opens no connection, so no path and no header can lead it elsewhere.
"""

import asyncio
import re
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from urllib.parse import unquote

from msgspec import Struct

Documents = Mapping[str, bytes]
Lookup = Callable[[str, str], Documents | None]
"""(network id, the peer's address) → that server's documents; None: nobody we know."""

_HEAD_LIMIT = 8 * 1024
_IDLE_S = 10.0
_SEND_S = 10.0
_PER_PEER = 8
_PER_NETWORK = 256
_REQUESTS_PER_CONNECTION = 100
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 431: "Request Header Fields Too Large"}
_DATED = re.compile(r"\d{4}-\d{2}-\d{2}|1\.0")


class Answer(Struct, frozen=True):
    """What goes back: a status, a media type and a body."""

    status: int
    body: bytes = b""
    kind: str = "text/plain; charset=utf-8"


class MetadataService:
    """One listener for each network; `lookup` says whose documents a peer may read."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._servers: dict[str, asyncio.Server] = {}
        self._open: dict[asyncio.StreamWriter, tuple[str, str]] = {}
        self._count: Counter[tuple[str, str]] = Counter()

    def listens(self, network_id: str) -> bool:
        """True while this network has a listener."""
        return network_id in self._servers

    async def listen(self, network_id: str, listener: socket.socket) -> None:
        """Serve on a bound socket of this network's namespace; takes the socket over."""
        await self.leave(network_id)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._serve(network_id, reader, writer)

        self._servers[network_id] = await asyncio.start_server(serve, sock=listener, limit=_HEAD_LIMIT)

    async def leave(self, network_id: str) -> None:
        """Close this network's listener and its connections; none there is no error."""
        server = self._servers.pop(network_id, None)
        if server is not None:
            server.close()
        for writer, (network, _) in list(self._open.items()):
            if network == network_id:
                writer.close()

    async def close(self) -> None:
        """Close all listeners and connections."""
        for network_id in list(self._servers):
            await self.leave(network_id)
        await asyncio.sleep(0)  # let the connections' tasks see it

    async def _serve(self, network_id: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = str((writer.get_extra_info("peername") or ("",))[0])
        key = (network_id, peer)
        if self._count[key] >= _PER_PEER or sum(1 for one in self._open.values() if one[0] == network_id) >= _PER_NETWORK:
            writer.close()
            return
        self._open[writer] = key
        self._count[key] += 1
        try:
            for _ in range(_REQUESTS_PER_CONNECTION):
                if not await self._one_request(key, reader, writer):
                    break
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError):
            pass  # it was slow, or has gone: nobody is left to be told
        finally:
            del self._open[writer]
            self._count[key] -= 1
            if not self._count[key]:
                del self._count[key]
            writer.close()

    async def _one_request(self, key: tuple[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Read and answer one request; True when the connection may carry another."""
        try:
            async with asyncio.timeout(_IDLE_S):
                head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            writer.write(_bytes(Answer(431), with_body=True, stay=False))
            return False
        method, path, stay = _read_head(head)
        if method not in {"GET", "HEAD"}:
            answer, stay = Answer(405 if method else 400), False
        else:
            documents = self._lookup(*key)
            answer = Answer(404) if documents is None else find(documents, path)
        writer.write(_bytes(answer, with_body=method != "HEAD", stay=stay))
        async with asyncio.timeout(_SEND_S):
            await writer.drain()
        return stay


def find(documents: Documents, path: str) -> Answer:
    """The document at `path`, or the listing of the folder there, as Nova's metadata service gives them."""
    parts = [part for part in unquote(path.split("?")[0].split("#")[0]).split("/") if part]
    if any(part in {".", ".."} or "\0" in part for part in parts):
        return Answer(404)
    found = _find(documents, parts)
    if found.status == 404 and parts:
        # EC2 clients and older cloud-inits ask for a dated version; there is one content, the latest.
        if _DATED.fullmatch(parts[0]):
            return _find(documents, ["latest", *parts[1:]])
        if len(parts) > 1 and parts[0] == "openstack" and _DATED.fullmatch(parts[1]):
            return _find(documents, ["openstack", "latest", *parts[2:]])
    return found


def _find(documents: Documents, parts: list[str]) -> Answer:
    key = "/".join(parts)
    folder = key + "/" if key else ""
    for exact in (key, folder):
        # A key that ends in a slash is a listing made by hand, such as EC2's ``public-keys/`` with ``0=name``.
        if exact and exact in documents:
            return Answer(200, documents[exact], _kind(exact))
    children: dict[str, bool] = {}
    for known in documents:
        if known.startswith(folder) and known != folder:
            name, slash, _ = known[len(folder) :].partition("/")
            children[name] = children.get(name, False) or bool(slash)
    if not children:
        return Answer(404)
    slashes = bool(parts) and parts[0] != "openstack"  # EC2 marks folders, OpenStack does not
    names = [name + "/" if slashes and inner else name for name, inner in sorted(children.items())]
    return Answer(200, "\n".join(names).encode())


def _kind(path: str) -> str:
    return "application/json" if path.endswith(".json") else "text/plain; charset=utf-8"


def _read_head(head: bytes) -> tuple[str, str, bool]:
    """(method, path, may the connection stay); an empty method when it is no HTTP."""
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith("/"):
        return "", "", False
    fields = {name.strip().lower(): value.strip().lower() for name, _, value in (line.partition(":") for line in lines[1:])}
    # A body is never read, so what follows one cannot be told from a request.
    body = "content-length" in fields or "transfer-encoding" in fields
    stay = words[2] == "HTTP/1.1" and fields.get("connection") != "close" and not body
    return words[0], words[1], stay


def _bytes(answer: Answer, *, with_body: bool, stay: bool) -> bytes:
    body = answer.body if answer.status == 200 else f"{answer.status} {_REASONS[answer.status]}\n".encode()
    head = (
        f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}\r\nContent-Type: {answer.kind}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: {'keep-alive' if stay else 'close'}\r\n\r\n"
    )
    return head.encode() + (body if with_body else b"")
