"""Images from the web: what comes, what is refused before and behind redirects, and what does not end well."""

import ipaddress
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from kilonova.drivers.imagestore.web import Limits, WebImages, is_public
from kilonova.errors import BadRequest, TooLarge, Unavailable

CONTENT = bytes(range(256)) * 4000
LIMIT_S = 10


class Site:
    """A web server on the loopback that answers as it is told."""

    def __init__(self) -> None:
        self.redirects: dict[str, str] = {}
        self.says_bytes, self.status = len(CONTENT), 200
        self.asked: list[tuple[str, str]] = []
        self.silent, self.go_on = False, threading.Event()
        site = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append((self.path, self.headers["Host"]))
                if self.path in site.redirects:
                    self.send_response(302)
                    self.send_header("Location", site.redirects[self.path])
                    self.end_headers()
                    return
                self.send_response(site.status)
                self.send_header("Content-Length", str(site.says_bytes))
                self.end_headers()
                if site.silent:
                    site.go_on.wait(LIMIT_S)
                with suppress(ConnectionError):  # the other side may have heard enough
                    self.wfile.write(CONTENT)

            def log_message(self, format: str, *words: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield site
    site.go_on.set()
    site.server.shutdown()
    site.server.server_close()
    thread.join()


async def _all(web: WebImages, uri: str) -> bytes:
    return b"".join([piece async for piece in web.fetch(uri)])


def _open_web(**limits: Any) -> WebImages:
    """As if the loopback were the open internet."""
    return WebImages(Limits(largest=10 << 20)._replace(**limits), judge=lambda address: True, ports=None)


async def test_an_image_comes(site: Site) -> None:
    assert await _all(_open_web(), f"{site.url}/a%20b?c=d#e") == CONTENT
    assert site.asked == [("/a%20b?c=d", site.url.removeprefix("http://"))]


async def test_redirects_are_followed(site: Site) -> None:
    site.redirects = {"/1": "/2", "/2": f"{site.url}/3"}
    assert await _all(_open_web(), f"{site.url}/1") == CONTENT
    site.redirects["/3"] = "/1"
    with pytest.raises(Unavailable, match="too many redirects"):
        await _all(_open_web(), f"{site.url}/1")


INSIDE = """
127.0.0.1 10.0.0.1 172.16.5.5 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 255.255.255.255 240.0.0.1 192.0.2.1
::1 :: fe80::1 fec0::1 fd00::1 ff02::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::7f00:1 2002:7f00:1::1 2001:0:0:0:0:0:80ff:fffe
"""
OUTSIDE = "8.8.8.8 151.101.1.1 2606:4700::1111 64:ff9b::808:808 ::ffff:8.8.8.8"


@pytest.mark.parametrize(("address", "public"), [(a, False) for a in INSIDE.split()] + [(a, True) for a in OUTSIDE.split()])
def test_what_is_on_the_open_internet(address: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is public


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0x7f.1", "2130706433", "0"])
async def test_no_way_to_the_loopback(site: Site, host: str) -> None:
    web = WebImages(Limits(largest=1 << 20), ports=None)
    with pytest.raises((BadRequest, Unavailable)):
        await _all(web, f"http://{host}:{site.server.server_port}/")
    assert site.asked == []


async def test_no_way_inside_behind_a_redirect(site: Site) -> None:
    """The first place is good; the one it points to is not."""
    judged: list[str] = []

    def first_only(address: Any) -> bool:
        judged.append(str(address))
        return len(judged) == 1

    site.redirects = {"/": f"{site.url}/secret"}
    with pytest.raises(BadRequest, match="open internet"):
        await _all(WebImages(Limits(largest=1 << 20), judge=first_only, ports=None), f"{site.url}/")
    assert [path for path, _ in site.asked] == ["/"] and len(judged) == 2
    site.redirects = {"/": "file:///etc/passwd"}
    with pytest.raises(BadRequest, match="http"):
        await _all(_open_web(), f"{site.url}/")


async def test_one_bad_address_among_good_ones_is_enough(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def two(host: str, port: int, **more: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("8.8.8.8", "10.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    with pytest.raises(BadRequest, match="open internet"):
        await _all(WebImages(Limits(largest=1 << 20)), "http://two.example/")


async def test_the_address_that_was_judged_is_the_one_that_is_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS is asked once: a name that answers differently a moment later gains nothing."""
    asked: list[str] = []

    def once(host: str, port: int, *rest: Any, **more: Any) -> Any:
        if host == "image.example":
            asked.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1" if len(asked) == 1 else "127.0.0.2", port))]
        return real(host, port, *rest, **more)

    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", once)
    assert await _all(_open_web(), f"http://image.example:{site.server.server_port}/") == CONTENT
    assert asked == ["image.example"] and site.asked[0][1].startswith("image.example:")


@pytest.mark.parametrize(
    "uri",
    [
        *("", "x", "http://", "http://[x/", "ftp://a.example/x", "file:///etc/passwd", "http://u:p@a.example/"),
        *("http://a.example:22/", "http://a.example:99999/", "http://a.example/ x", "http://a.example/\r\nHost:b"),
        *("http://a.example/é", "http://a.example/" + "x" * 3000),
    ],
)
def test_what_is_not_even_tried(uri: str) -> None:
    with pytest.raises(BadRequest):
        WebImages(Limits(largest=1)).check(uri)


async def test_too_large(site: Site) -> None:
    with pytest.raises(TooLarge):
        await _all(_open_web(largest=1000), f"{site.url}/")


async def test_incomplete_silent_endless_or_refused(site: Site) -> None:
    site.says_bytes = len(CONTENT) + 1
    with pytest.raises(Unavailable, match="incomplete"):
        await _all(_open_web(), f"{site.url}/")
    site.says_bytes = len(CONTENT)
    with pytest.raises(Unavailable, match="too long"):
        await _all(_open_web(whole_s=0), f"{site.url}/")
    site.status = 404
    with pytest.raises(Unavailable, match="404"):
        await _all(_open_web(), f"{site.url}/")
    site.status, site.silent = 200, True
    with pytest.raises(Unavailable):
        await _all(_open_web(quiet_s=0.2), f"{site.url}/")
