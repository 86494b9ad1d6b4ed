"""`cloud_api`: the API of a cloud in this process, for the tests of every service."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.cloud import SERVICES, CloudApi, present_services, running_cloud
from tests.api.routes_seen import RECORDING, note, write


@pytest.fixture
async def cloud_api(tmp_path: Path) -> AsyncIterator[CloudApi]:
    """All services there are, with an admin signed in. For a desk, a clock or fewer services: `running_cloud(tmp_path, …)`."""
    async with running_cloud(tmp_path) as cloud:
        yield cloud


@pytest.fixture(scope="session", autouse=RECORDING)
def record_of_routes() -> Iterator[None]:
    """Notes every answer of the tests of this folder; see `routes_seen.py`."""
    services = present_services((*SERVICES, "volume"))
    plainly = httpx.ASGITransport.handle_async_request

    async def noting(self: httpx.ASGITransport, request: httpx.Request) -> httpx.Response:
        answer = await plainly(self, request)
        path = request.url.raw_path.decode().partition("?")[0]
        note(services, request.method, path, answer.status_code)
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx.ASGITransport, "handle_async_request", noting)
        yield
    write()
