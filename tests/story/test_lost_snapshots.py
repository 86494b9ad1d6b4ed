"""A snapshot whose host falls silent does not stay: its time ends, and its image is gone."""

import time

import msgspec

from kilonova.model.ids import ProjectId, ServerId, UserId
from kilonova.model.images import ImageQuestion, Viewer
from kilonova.model.snapshots import Snapshot
from tests.story.conftest import CloudOf

OWNER = Viewer(project_id="p")
LOST = Snapshot(
    name="lost", owner=ProjectId("p"), user_id=UserId("u"), server_id=ServerId("s"), disk_format="qcow2", until=time.time() - 1
)


async def test_what_never_comes_is_given_up(cloud_of: CloudOf) -> None:
    cloud = await cloud_of()
    waiting = msgspec.structs.replace(LOST, name="waiting", until=time.time() + 3600)

    async def names() -> set[str | None]:
        return {image.name for image in await cloud.ledger.read(lambda tx: tx.images.find(ImageQuestion(viewer=OWNER)))} - {
            "simulated"
        }

    for snapshot in (LOST, waiting):
        await cloud.ledger.write(lambda tx, wanted=snapshot: tx.images.begin_snapshot(wanted, time.time()))

    async def lost_is_gone() -> bool:
        return await names() == {"waiting"}

    await cloud.until(lost_is_gone, "the lost snapshot to be given up")
