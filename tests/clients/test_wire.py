"""Below the good manners of HTTP: huge headers, half-closed and slow bodies, bytes that are no request. The cloud goes on."""

import time

import pytest

from tests.clients.http import Wire
from tests.cloud.running import Cloud

pytestmark = [pytest.mark.cloud, pytest.mark.wire, pytest.mark.usefixtures("nothing_left")]
SERVERS = "/compute/v2.1/servers"
NETWORKS = "/network/v2.0/networks"


def request(line: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join((line, "Host: cloud", *headers, "", "")).encode("latin-1") + body


def status(raw: bytes) -> int | None:
    """None where it was hung up on without a word."""
    return int(raw.split(b" ", 2)[1]) if raw.startswith(b"HTTP/1.1 ") else None


@pytest.fixture
def wire(cloud: Cloud) -> Wire:
    return Wire(cloud.listen)


@pytest.mark.parametrize(
    "raw",
    [
        request(f"GET {SERVERS} HTTP/1.1", "X-Long: " + "x" * 100_000),
        request(f"GET {SERVERS} HTTP/1.1", *(f"X-{n}: y" for n in range(5000))),
        request(f"GET {SERVERS}?{'a' * 200_000} HTTP/1.1"),
        request(f"GET /{'a/' * 50_000} HTTP/1.1"),
        request(f"GET {SERVERS} HTTP/1.1", "X-Auth-Token: \x00\x01"),
        request(f"GET {SERVERS} HTTP/1.1", "X-Auth-Token: \xff\xfe", "Connection: close"),
        request("BREW /coffee HTCPCP/1.0"),
        request(f"GET {SERVERS} HTTP/9.9"),
        request(f"POST {SERVERS} HTTP/1.1", "Content-Length: -5"),
        request(f"POST {SERVERS} HTTP/1.1", "Content-Length: many"),
        request(f"POST {SERVERS} HTTP/1.1", "Content-Length: 5", "Content-Length: 6", body=b"hello"),
        request(f"POST {SERVERS} HTTP/1.1", "Transfer-Encoding: chunked", body=b"zzz\r\nhello"),
        request(f"POST {SERVERS} HTTP/1.1", "Content-Length: 99999999999", "Connection: close", body=b"{"),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100,
        b"\0" * 10_000,
        b"\r\n\r\n\r\n",
    ],
    ids=lambda raw: repr(raw[:40]),
)
def test_bytes_that_are_no_sound_request(wire: Wire, raw: bytes) -> None:
    answered = status(wire.pour(raw, close_writing=True))
    assert answered is None or 400 <= answered < 500
    assert wire.send("GET", "/compute").status == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (NETWORKS, b'{"network": {"name": "half"}}'),
        ("/identity/v3/projects", b'{"project": {"name": "half"}}'),
        ("/image/v2/images", b'{"name": "half"}'),
        ("/compute/v2.1/flavors", b'{"flavor": {"name": "half", "ram": 1, "vcpus": 1, "disk": 1}}'),
    ],
)
def test_half_a_body_changes_nothing(wire: Wire, token: str, path: str, body: bytes) -> None:
    """What came is whole JSON, and not whole by what was announced: it is not carried out (`nothing_left` looks)."""
    headers = (f"X-Auth-Token: {token}", "Content-Type: application/json", f"Content-Length: {len(body) + 50}")
    answered = status(wire.pour(request(f"POST {path} HTTP/1.1", *headers, body=body), close_writing=True))
    assert answered is None or 400 <= answered < 500
    time.sleep(0.3)
    assert "half" not in wire.send("GET", path, X_Auth_Token=token).raw.decode()


def test_a_slow_body_is_waited_for(wire: Wire, token: str) -> None:
    body = b'{"network": {"name": "slow", "mtu": -1}}'
    headers = (f"X-Auth-Token: {token}", "Content-Type: application/json", f"Content-Length: {len(body)}", "Connection: close")
    answer = wire.pour(request(f"POST {NETWORKS} HTTP/1.1", *headers, body=body), pause_s=1.0)
    assert status(answer) == 400 and b"mtu" in answer.lower()
