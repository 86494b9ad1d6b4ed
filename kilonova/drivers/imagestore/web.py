"""Fetches an image from the web for people we do not trust: never from an address inside, however a name or redirect hides it.

A name is resolved once, every address it has is judged, and the connection goes to one that was judged: a second answer of
DNS has no say. It stores nothing and does not retry.
"""

import asyncio
import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar
from urllib.parse import SplitResult, urljoin, urlsplit

from kilonova.errors import BadRequest, TooLarge, Unavailable

Result = TypeVar("Result")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
PORTS = {"http": 80, "https": 443}
_PIECE = 256 * 1024
_REDIRECTS = 5
_MOVED = (301, 302, 303, 307, 308)
_LONGEST_URI = 2048
_AT_ONCE = 8
"""Threads of its own: sites that drip keep each other waiting, and nobody else."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class Limits(NamedTuple):
    """Seconds and bytes."""

    largest: int
    quiet_s: float = 30.0
    whole_s: float = 3600.0


def is_public(address: Address) -> bool:
    """True for an address of the open internet; what carries another address inside is as good as that one."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is not None:
            return is_public(inner)
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


class WebImages:
    """See `kilonova.api.image.needs.WebSource`. `judge` and `ports` are what tests loosen."""

    def __init__(
        self, limits: Limits, judge: Callable[[Address], bool] = is_public, ports: Collection[int] | None = (80, 443)
    ) -> None:
        self._limits, self._judge, self._ports = limits, judge, ports
        self._threads = ThreadPoolExecutor(_AT_ONCE, "web-image")

    def check(self, uri: str) -> None:
        """Raises BadRequest for what is not even tried; asks nobody."""
        self._parts(uri)

    async def fetch(self, uri: str) -> AsyncIterator[bytes]:
        """The bytes. Raises BadRequest (refused), TooLarge, or Unavailable when the other side does not deliver."""
        loop, end = asyncio.get_running_loop(), time.monotonic() + self._limits.whole_s
        connection, answer = await _told(loop.run_in_executor(self._threads, self._open, uri))
        try:
            length = answer.length
            if length is not None and length > self._limits.largest:
                raise TooLarge(f"The image is larger than {self._limits.largest} bytes.")
            came = 0
            while piece := await _told(loop.run_in_executor(self._threads, answer.read1, _PIECE)):
                came += len(piece)
                if time.monotonic() > end:
                    raise Unavailable("The image took too long to come.")
                yield piece
            if length is not None and came != length:
                raise Unavailable("The image came incomplete.")
        finally:
            answer.close()
            connection.close()

    def _open(self, uri: str) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Follows redirects; each place is judged like the first."""
        for _ in range(_REDIRECTS + 1):
            parts = self._parts(uri)
            connection = self._connect(parts)
            try:
                target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
                connection.request("GET", target, headers={"Host": parts.netloc, "Accept-Encoding": "identity"})
                answer = connection.getresponse()
            except BaseException:
                connection.close()
                raise
            if answer.status == 200:
                return connection, answer
            answer.close()
            connection.close()
            if answer.status not in _MOVED or not answer.headers.get("Location"):
                raise Unavailable(f"The image could not be fetched: the answer was {answer.status}.")
            uri = urljoin(uri, answer.headers["Location"])
        raise Unavailable("The image could not be fetched: there are too many redirects.")

    def _parts(self, uri: str) -> SplitResult:
        try:
            parts = urlsplit(uri)
            port = parts.port
        except ValueError:
            raise _bad("it is malformed") from None
        if len(uri) > _LONGEST_URI or not uri.isascii() or not uri.isprintable() or " " in uri:
            raise _bad("it is malformed")
        if parts.scheme not in PORTS or not parts.hostname:
            raise _bad("it must begin with http:// or https://")
        if parts.username is not None or parts.password is not None:
            raise _bad("it must not carry a user's name")
        if self._ports is not None and (port or PORTS[parts.scheme]) not in self._ports:
            raise _bad("this port is not allowed")
        return parts

    def _connect(self, parts: SplitResult) -> http.client.HTTPConnection:
        host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        address = self._resolve(host, port)
        raw = socket.create_connection((str(address), port), timeout=self._limits.quiet_s)
        try:
            if parts.scheme == "https":
                raw = ssl.create_default_context().wrap_socket(raw, server_hostname=host)
        except BaseException:
            raw.close()
            raise
        connection = http.client.HTTPConnection(host, port, timeout=self._limits.quiet_s)
        connection.sock = raw
        return connection

    def _resolve(self, host: str, port: int) -> Address:
        """One address of this name. Raises BadRequest when any of them is not for us: there is no telling which a cache has."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError:
            raise _bad("its host has no proper name") from None
        addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
        if not addresses or not all(self._judge(address) for address in addresses):
            raise _bad("its address is not on the open internet")
        return addresses[0]


async def _told(work: Awaitable[Result]) -> Result:
    """`work`; what the other side does wrong becomes Unavailable."""
    try:
        return await work
    except (OSError, http.client.HTTPException) as failure:
        raise Unavailable("The image could not be fetched: the other side could not be reached, or broke off.") from failure


def _bad(why: str) -> BadRequest:
    return BadRequest(f"The import URI is refused: {why}.")
