"""The bytes of an image whose record went alone: control that runs on removes them by itself, with nobody's repair."""

import asyncio
from pathlib import Path

import pytest

from kilonova.api.image.recover import TIDY_EVERY_S
from kilonova.drivers.imagestore.files import FileStore
from kilonova.sim.plan import Plan
from kilonova.sim.seeded import SeededCloud
from tests.sim.conftest import Calm

SOON_S = 2 * TIDY_EVERY_S + 20
"""Control's next look, and a restart before it."""


def bytes_of(cloud: SeededCloud) -> Path:
    image_id = cloud.furnished.image_id
    return cloud.folder / "images" / "data" / image_id[:2] / image_id


async def settled(cloud: SeededCloud) -> None:
    """The image is gone for whoever asks, its bytes are there yet, and go before anybody looks for what is nobody's."""
    path = f"/image/v2/images/{cloud.furnished.image_id}"
    assert bytes_of(cloud).is_file()
    await asyncio.sleep(SOON_S)
    assert not bytes_of(cloud).exists()
    assert (await cloud.send("GET", path)).status_code == 404
    assert await cloud.audit() == []


def test_a_deletion_that_control_did_not_hear_to_be_committed(calm: Calm) -> None:
    """Seed 50175."""

    async def story(cloud: SeededCloud) -> None:
        nemesis = cloud._nemesis
        nemesis.active, nemesis.plan = True, Plan(kinds={"ledger_unheard": 1 << 20})
        answer = await cloud.send("DELETE", f"/image/v2/images/{cloud.furnished.image_id}")
        nemesis.active = False
        assert answer.status_code == 503
        await settled(cloud)

    calm(story)


def test_a_deletion_during_which_control_died(calm: Calm, monkeypatch: pytest.MonkeyPatch) -> None:
    remove = FileStore.remove

    async def story(cloud: SeededCloud) -> None:
        async def die(store: FileStore, image_id: str) -> None:
            monkeypatch.setattr(FileStore, "remove", remove)
            cloud.strike_down("control", 10.0)
            await asyncio.sleep(0)

        monkeypatch.setattr(FileStore, "remove", die)
        with pytest.raises(ConnectionError):
            await cloud.send("DELETE", f"/image/v2/images/{cloud.furnished.image_id}")
        await settled(cloud)

    calm(story)
