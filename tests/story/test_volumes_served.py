"""A volume is served once its making is over for good: what a guest uses is not taken away by the undo of what made it."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from kilonova.build.export import ExportGiven, ExportWanted
from kilonova.bus.port import Delivery
from kilonova.bus.simulated import LocalBroker, LocalBus
from kilonova.drivers.volumes.simulated import SimulatedVolumes
from kilonova.lifecycle.volume_work import VolumeOrder
from kilonova.model.ids import NodeName, ServerId
from kilonova.nodes.volume import VolumeNode
from kilonova.saga import Journal
from kilonova.saga.faults import no_faults
from kilonova.sim import SimulatedCloud
from kilonova.sim.faults import Moment, fail
from kilonova.sim.torn import WatchedJournal, fall
from kilonova.trace.recorder import Recorder, Together
from tests.story.conftest import CloudOf
from tests.story.ending import built, deleted, failed
from tests.story.holding import AGAIN
from tests.story.test_volumes import from_image


class AskedFor:
    """Holds the making of a volume up until somebody has asked for the volume a few times. Then it `fails`, or not."""

    def __init__(self, cloud: SimulatedCloud, fails: bool) -> None:
        self._cloud, self._fails, self.volume_id, self.served = cloud, fails, "", False

    async def __call__(self, moment: Moment) -> None:
        store, seen = self._cloud.volume.node.store, self._cloud.messages.seen
        self.volume_id = moment.record.volume_id
        assert await store.has(self.volume_id), "it is whole already"
        enough = seen["ExportWanted"] + 3

        async def answered() -> bool:
            self.served = self.volume_id in await store.exports()
            return self.served or seen["ExportWanted"] >= enough

        await self._cloud.until(answered, "its server to ask for it")
        if self._fails:
            await fail(moment)


@pytest.mark.parametrize("fails", [True, False])
@pytest.mark.parametrize("dies", [True, False])
async def test_a_volume_whose_making_may_still_fail_is_served_to_nobody(cloud_of: CloudOf, dies: bool, fails: bool) -> None:
    """Seed 6751: its node, killed after the making, made it once more, failed, and wiped what a guest ran on by then."""
    cloud = await cloud_of(hosts=1)
    asked = AskedFor(cloud, fails)

    async def die(moment: Moment) -> None:
        cloud.steps.at("before", "make_volume", asked)
        await cloud.die_here("volume")

    cloud.steps.at("after", "make_volume", die if dies else asked)
    server_id = await cloud.build(**from_image(cloud, delete_on_termination=True))
    if fails:
        server = await failed(cloud, server_id)
        assert server.fault is not None
        assert "could not be made" in server.fault.message
        assert not await cloud.volume.node.store.has(asked.volume_id)
    else:
        await built(cloud, server_id)
    assert cloud.steps.fired["before" if dies else "after", "make_volume"] == 1
    assert not asked.served, "before it was known whether it stays"
    await deleted(cloud, server_id)


def node_on(journal: Journal, store: SimulatedVolumes) -> VolumeNode:
    """It keeps its reports to itself: nobody sends them."""
    recorder, faults = Recorder("volume", {}), no_faults("volume")
    bus = LocalBus(LocalBroker(), "vol")
    return VolumeNode(NodeName("vol"), store, bus, journal, recorder, Together(recorder, faults), faults)


async def test_what_is_served_stays_made_when_the_power_was_off(tmp_path: Path) -> None:
    """Else it would be made once more, too late perhaps, and be wiped under its guest."""
    now, said, file = time.time(), [], tmp_path / "journal.sqlite"

    async def hear(subject: str, reply: Any) -> None:
        said.append(reply)

    order = VolumeOrder(
        work_id="w", work="create", volume_id="v1", node=NodeName("vol"), size_gb=1, deadline=now + 600, ordered_at=now
    )
    wanted = ExportWanted(server_id=ServerId("s1"), volume_id="v1", attachment_id="a", size_gb=1)
    journal, store = WatchedJournal(file), SimulatedVolumes(tmp_path / "volumes")
    node = node_on(journal, store)
    await node.take_order(order, AGAIN)
    async with asyncio.timeout(60):
        while journal.entries():
            await asyncio.sleep(0.01)
    await node.take_wanted(wanted, Delivery(kind="", subject="", queue_wait_s=0, reply_to="me", send_answer=hear))
    assert isinstance(said[0], ExportGiven)
    assert said[0].address is not None
    fall(journal, file, 10**9)
    found = Journal(file)
    node = node_on(found, store)
    assert node.resume() == 0, "it is made once more"
    await node.take_order(order, AGAIN)
    assert not node.working_on(), "control's order comes again, since nobody has told of its end"
    assert await store.exports() == {"v1": "a"}
    found.close()
