"""An upload that trickles in for ever ends all the same."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.api.image.conftest import OCTETS, ImageCloud, create, show


@pytest.mark.parametrize(("path", "method"), [("file", "PUT"), ("stage", "PUT")])
async def test_bytes_that_never_come_to_an_end(alice: httpx.AsyncClient, cloud: ImageCloud, path: str, method: str) -> None:
    cloud.store._within_s = 0.3
    image = await create(alice)

    async def trickle() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"x"
            await asyncio.sleep(0.05)

    answer = await alice.request(method, f"/v2/images/{image['id']}/{path}", content=trickle(), headers=OCTETS)
    assert answer.status_code == 400
    assert "did not come within" in answer.text
    assert (await show(alice, image["id"]))["status"] == "queued"
    assert cloud.files() == []
