"""Fetching over real HTTP on the loopback, well and badly."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kilonova.drivers.disks.http_fetch import HttpFetch
from kilonova.errors import BuildFailed, Unavailable
from tests.drivers.builds import image_of, no_progress

CONTENT = bytes(range(256)) * 20_000


class Service:
    """An image service that answers as it is told."""

    def __init__(self) -> None:
        self.status = 200
        self.body = CONTENT
        self.stop_after: int | None = None
        self.silent = threading.Event()
        self.asked: list[tuple[str, str | None]] = []
        service = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.asked.append((self.path, self.headers["X-Kilonova-Ticket"]))
                self.send_response(service.status)
                self.send_header("Content-Length", str(len(service.body)))
                self.end_headers()
                with suppress(ConnectionError):  # the other side may have heard enough
                    self.wfile.write(service.body[: service.stop_after])
                if service.stop_after is not None:
                    self.wfile.flush()
                    service.silent.wait(10)

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
    service.silent.set()
    service.server.shutdown()
    service.server.server_close()
    thread.join()


async def test_an_image_arrives_with_its_ticket(service: Service, tmp_path: Path) -> None:
    image = image_of(CONTENT)
    await HttpFetch(service.url).fetch(image, "the-ticket", tmp_path / "image", no_progress)
    assert (tmp_path / "image").read_bytes() == CONTENT
    assert service.asked == [(f"/base/internal/images/{image.id}", "the-ticket")]


@pytest.mark.parametrize(("status", "error"), [(401, BuildFailed), (404, BuildFailed), (500, Unavailable), (503, Unavailable)])
async def test_a_refusal(service: Service, tmp_path: Path, status: int, error: type[Exception]) -> None:
    service.status = status
    with pytest.raises(error):
        await HttpFetch(service.url, patience_s=0).fetch(image_of(CONTENT), "t", tmp_path / "image", no_progress)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("body", [CONTENT[:-1], CONTENT + b"x", b"\1" + CONTENT[1:], b""])
async def test_wrong_bytes(service: Service, tmp_path: Path, body: bytes) -> None:
    service.body = body
    with pytest.raises(BuildFailed):
        await HttpFetch(service.url, patience_s=0).fetch(image_of(CONTENT), "t", tmp_path / "image", no_progress)
    assert list(tmp_path.iterdir()) == []


async def test_broken_off_in_the_middle(service: Service, tmp_path: Path) -> None:
    service.stop_after = 1000
    service.silent.set()
    with pytest.raises(Unavailable):
        await HttpFetch(service.url, patience_s=0).fetch(image_of(CONTENT), "t", tmp_path / "image", no_progress)
    assert list(tmp_path.iterdir()) == []


async def test_what_was_broken_off_is_fetched_again(service: Service, tmp_path: Path) -> None:
    service.stop_after = 1000
    service.silent.set()
    fetching = asyncio.create_task(HttpFetch(service.url).fetch(image_of(CONTENT), "t", tmp_path / "image", no_progress))
    async with asyncio.timeout(10):
        while not service.asked:
            await asyncio.sleep(0.01)
    service.stop_after = None
    await fetching
    assert (tmp_path / "image").read_bytes() == CONTENT
    assert len(service.asked) > 1


async def test_a_silent_service_is_not_waited_for(service: Service, tmp_path: Path) -> None:
    service.stop_after = 1000
    with pytest.raises(Unavailable):
        await HttpFetch(service.url, quiet_s=0.2, patience_s=0).fetch(image_of(CONTENT), "t", tmp_path / "image", no_progress)
    assert list(tmp_path.iterdir()) == []


async def test_nobody_there(service: Service, tmp_path: Path) -> None:
    service.server.server_close()
    with pytest.raises(Unavailable, match="could not be fetched"):
        await HttpFetch(service.url, quiet_s=2, patience_s=0).fetch(image_of(CONTENT), "t", tmp_path / "image", no_progress)


async def test_a_cancelled_fetch_stops_and_cleans_up(service: Service, tmp_path: Path) -> None:
    service.stop_after = 2 << 20
    fetching = asyncio.create_task(
        HttpFetch(service.url, quiet_s=5).fetch(image_of(CONTENT), "t", tmp_path / "image", no_progress)
    )
    while not (tmp_path / "image").exists():
        await asyncio.sleep(0.01)
    fetching.cancel()
    await asyncio.wait([fetching])
    service.silent.set()
    async with asyncio.timeout(10):
        while (tmp_path / "image").exists():
            await asyncio.sleep(0.01)
