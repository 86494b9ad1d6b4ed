"""The metadata service as HTTP: paths, listings, limits. On loopback; who a peer is on a real network is ``test_linux.py``'s."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from kilonova.drivers.network import metadata
from kilonova.drivers.network.metadata import MetadataService, find

DOCUMENTS = {
    "openstack/latest/meta_data.json": b"{}",
    "openstack/latest/user_data": b"#!/bin/sh\n",
    "latest/meta-data/instance-id": b"i-1",
    "latest/meta-data/public-keys/": b"0=mine",
    "latest/meta-data/public-keys/0/openssh-key": b"ssh-ed25519 AAAA",
    "latest/user-data": b"#!/bin/sh\n",
}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/", b"latest\nopenstack"),
        ("/openstack", b"latest"),
        ("/openstack/", b"latest"),
        ("/openstack/latest", b"meta_data.json\nuser_data"),
        ("/openstack/latest/", b"meta_data.json\nuser_data"),
        ("/openstack/latest/meta_data.json", b"{}"),
        ("/openstack/2018-08-27/meta_data.json", b"{}"),
        ("//openstack//latest/meta_data.json?x=1", b"{}"),
        ("/openstack/latest/meta%5fdata.json", b"{}"),
        ("/latest", b"meta-data/\nuser-data"),
        ("/latest/meta-data/", b"instance-id\npublic-keys/"),
        ("/2009-04-04/meta-data/instance-id", b"i-1"),
        ("/latest/meta-data/public-keys/", b"0=mine"),
        ("/latest/meta-data/public-keys", b"0=mine"),
        ("/latest/meta-data/public-keys/0/", b"openssh-key"),
        ("/latest/meta-data/public-keys/0/openssh-key", b"ssh-ed25519 AAAA"),
    ],
)
def test_a_path_is_answered(path: str, body: bytes) -> None:
    answer = find(DOCUMENTS, path)
    assert (answer.status, answer.body) == (200, body)


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/openstack/latest/meta_data",
        "/openstack/latest/../../etc/passwd",
        "/openstack/%2e%2e/latest/meta_data.json",
        "/../openstack/latest/meta_data.json",
        "/openstack/latest/meta_data.json/more",
        "/latest/meta-data/public-keys/1",
        "/http://127.0.0.1/latest",
        "/openstack/latest/meta_data.json%00",
    ],
)
def test_anything_else_is_not_found(path: str) -> None:
    assert find(DOCUMENTS, path).status == 404


def test_json_is_said_to_be_json() -> None:
    assert find(DOCUMENTS, "/openstack/latest/meta_data.json").kind == "application/json"
    assert find(DOCUMENTS, "/latest/user-data").kind.startswith("text/plain")


@pytest.fixture
async def address() -> AsyncIterator[tuple[str, int]]:
    """A service on loopback that knows 127.0.0.1 on the network ``net`` and nobody else."""
    service = MetadataService(lambda network, peer: DOCUMENTS if (network, peer) == ("net", "127.0.0.1") else None)
    listener = socket.create_server(("127.0.0.1", 0))
    await service.listen("net", listener)
    assert service.listens("net")
    yield listener.getsockname()
    await service.close()
    assert not service.listens("net")


async def _say(address: tuple[str, int], request: bytes, source: str = "127.0.0.1") -> bytes:
    reader, writer = await asyncio.open_connection(*address, local_addr=(source, 0))
    try:
        writer.write(request)
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionResetError:
        return b""  # hung up on before our question was read
    finally:
        writer.close()
        try:
            await writer.wait_closed()
        except ConnectionError:
            pass


async def test_get_and_head(address: tuple[str, int]) -> None:
    got = await _say(address, b"GET /latest/user-data HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Length: 10\r\n" in got
    assert got.endswith(b"\r\n\r\n#!/bin/sh\n")
    head = await _say(address, b"HEAD /latest/user-data HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert head == got.removesuffix(b"#!/bin/sh\n")


async def test_a_connection_carries_many_requests(address: tuple[str, int]) -> None:
    one = b"GET /latest/meta-data/instance-id HTTP/1.1\r\n\r\n"
    got = await _say(address, one * 3 + b"GET /nothing HTTP/1.0\r\n\r\n")
    assert got.count(b"i-1") == 3
    assert got.count(b"404 Not Found\r\n") == 1


async def test_a_peer_nobody_knows_learns_nothing(address: tuple[str, int]) -> None:
    for path in (b"/", b"/openstack", b"/latest/user-data"):
        got = await _say(address, b"GET " + path + b" HTTP/1.0\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n", "127.0.0.9")
        assert got.startswith(b"HTTP/1.1 404 ")
        assert got.endswith(b"\r\n\r\n404 Not Found\n")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /openstack/latest/password HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", b"405"),
        (b"DELETE / HTTP/1.1\r\n\r\n", b"405"),
        (b"GET http://127.0.0.1/ HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/2.0\r\n\r\n", b"400"),
        (b"\x16\x03\x01 nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n", b"431"),
    ],
)
async def test_what_is_no_plain_question_is_refused(address: tuple[str, int], request_: bytes, status: bytes) -> None:
    got = await _say(address, request_)
    assert got.startswith(b"HTTP/1.1 " + status)
    assert got.count(b"HTTP/1.1") == 1, "the connection ends there"


async def test_a_body_is_never_taken_for_a_second_request(address: tuple[str, int]) -> None:
    smuggled = b"GET /latest/user-data HTTP/1.1\r\n\r\n"
    got = await _say(address, b"GET / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(smuggled) + smuggled)
    assert got.count(b"HTTP/1.1") == 1


async def test_who_says_nothing_is_hung_up_on(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "_IDLE_S", 0.05)
    assert await _say(address, b"GET / HT") == b""


async def test_one_peer_cannot_take_all_connections(address: tuple[str, int]) -> None:
    held = [await asyncio.open_connection(*address) for _ in range(8)]
    try:
        for _, writer in held:
            writer.write(b"GET /latest/meta-data/instance-id HTTP/1.1\r\n\r\n")
        for reader, _ in held:
            await reader.readuntil(b"i-1")
        assert await _say(address, b"GET / HTTP/1.0\r\n\r\n") == b""
    finally:
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
