"""Sending over real HTTP on the loopback, well and badly."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kilonova.drivers.disks.http_send import HttpSend
from kilonova.errors import BuildFailed, Unavailable
from tests.drivers.builds import no_progress

CONTENT = bytes(range(256)) * 20_000
LIMIT_S = 10


class Service:
    """An image service that answers as it is told."""

    def __init__(self) -> None:
        self.status = 204
        self.read_at_most = len(CONTENT)
        self.drain, self.came_after = False, 0
        self.answer, self.read, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.answer.set()
        self.asked: list[tuple[str, str | None, bytes]] = []
        service = self

        class Answer(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                length = min(int(self.headers["Content-Length"]), service.read_at_most)
                service.asked.append((self.path, self.headers["X-Kilonova-Ticket"], self.rfile.read(length)))
                service.read.set()
                service.answer.wait(LIMIT_S)
                with suppress(ConnectionError):
                    if service.drain:
                        while piece := self.rfile.read1(1 << 20):
                            service.came_after += len(piece)
                service.ended.set()
                self.send_response(service.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *words: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_port}/base"


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    thread = threading.Thread(target=service.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield service
    service.answer.set()
    service.server.shutdown()
    service.server.server_close()
    thread.join()


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    path = tmp_path / "snapshot"
    path.write_bytes(CONTENT)
    return path


async def test_a_snapshot_arrives_with_its_ticket(service: Service, snapshot: Path) -> None:
    await HttpSend(service.url).send("an-image", "the-ticket", snapshot, no_progress)
    assert service.asked == [("/base/internal/images/an-image", "the-ticket", CONTENT)]


@pytest.mark.parametrize(("status", "error"), [(401, BuildFailed), (413, BuildFailed), (500, Unavailable), (503, Unavailable)])
async def test_a_refusal(service: Service, snapshot: Path, status: int, error: type[Exception]) -> None:
    service.status = status
    with pytest.raises(error):
        await HttpSend(service.url, patience_s=0).send("an-image", "t", snapshot, no_progress)


async def test_what_was_not_taken_is_sent_again(service: Service, snapshot: Path) -> None:
    service.status = 503
    sending = asyncio.create_task(HttpSend(service.url).send("an-image", "t", snapshot, no_progress))
    async with asyncio.timeout(10):
        while not service.asked:
            await asyncio.sleep(0.01)
    service.status = 204
    await sending
    assert [content for _, _, content in service.asked] == [CONTENT] * len(service.asked)
    assert len(service.asked) > 1


async def test_a_service_that_wants_no_more(service: Service, snapshot: Path) -> None:
    service.status, service.read_at_most = 401, 1000
    with pytest.raises((BuildFailed, Unavailable)):
        await HttpSend(service.url, patience_s=0).send("an-image", "t", snapshot, no_progress)


async def test_a_service_that_never_answers(service: Service, snapshot: Path) -> None:
    service.answer.clear()
    with pytest.raises(Unavailable):
        await HttpSend(service.url, finish_s=0.2, patience_s=0).send("an-image", "t", snapshot, no_progress)


async def test_nobody_there(service: Service, snapshot: Path) -> None:
    service.server.server_close()
    with pytest.raises(Unavailable, match="could not be stored"):
        await HttpSend(service.url, quiet_s=2, patience_s=0).send("an-image", "t", snapshot, no_progress)


async def test_a_cancelled_one_stops(service: Service, tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(512 << 20)
    service.read_at_most, service.drain = 1 << 20, True
    service.answer.clear()
    sending = asyncio.create_task(HttpSend(service.url, quiet_s=LIMIT_S).send("an-image", "t", large, no_progress))
    assert await asyncio.to_thread(service.read.wait, LIMIT_S)
    sending.cancel()
    await asyncio.wait([sending])
    assert sending.cancelled()
    service.answer.set()
    assert await asyncio.to_thread(service.ended.wait, LIMIT_S)
    assert service.came_after < 256 << 20, "it went on sending for nobody"
