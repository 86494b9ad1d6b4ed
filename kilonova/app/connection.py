"""A role's connection to the bus, once its papers are there."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from kilonova.cloud_folder import CloudFolder
from kilonova.errors import Unavailable
from kilonova.settings import Settings

if TYPE_CHECKING:
    from kilonova.bus.bus import NatsBus
    from kilonova.bus.port import Observer

log = logging.getLogger(__name__)

BUS_WITHIN_S = 30.0
AGAIN_S = 1.0


@asynccontextmanager
async def connected(settings: Settings, name: str, observer: "Observer") -> "AsyncIterator[NatsBus]":
    """However long that takes: what a node serves for guests (metadata, volumes) it serves meanwhile, and must not end for it.

    Raises Unavailable when there are no papers, NotAuthenticated when the broker does not take them.
    """
    folder = CloudFolder(settings.data)
    await _papers_of(settings, folder, name)
    url = settings.nats_url or folder.nats_url.read_text().strip()
    bus = await _dialled(url, folder, name, observer)
    try:
        yield bus
    finally:
        await bus.close()


async def _dialled(url: str, folder: CloudFolder, name: str, observer: "Observer") -> "NatsBus":
    from kilonova.bus.bus import NatsBus

    while True:
        bus = NatsBus(observer)
        try:
            await bus.connect(url, folder.credential(name).read_text(), name, timeout_s=BUS_WITHIN_S)
        except Unavailable as error:
            log.warning("%s It is asked again.", error, extra={"action": "bus_away"})
            await asyncio.sleep(AGAIN_S)
        else:
            return bus


async def _papers_of(settings: Settings, folder: CloudFolder, name: str) -> None:
    """`kilonova up` starts its roles while it still writes their papers. Raises Unavailable when there are none in the end."""
    needed = [folder.credential(name)]
    needed += [] if settings.nats_url else [folder.nats_url]
    needed += [folder.admin_password] if name == "control" else []
    until = time.monotonic() + BUS_WITHIN_S
    while missing := [file for file in needed if not file.exists()]:
        if time.monotonic() > until:
            raise Unavailable(f"{missing[0]} is missing: `kilonova credential` makes one.")
        await asyncio.sleep(0.02)
