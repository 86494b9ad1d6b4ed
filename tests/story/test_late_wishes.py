"""Wishes for a server's volumes and ports that arrive in another order than they were made in, also with a restart in between."""

import time
from pathlib import Path

import pytest

from kilonova.build.connect import NetworkGiven, NetworkWanted
from kilonova.build.export import ExportGiven, ExportNotWanted, ExportWanted
from kilonova.build.wishes import WishNumbers
from kilonova.bus.port import Delivery
from kilonova.bus.simulated import LocalBroker, LocalBus
from kilonova.drivers.network.simulated import SimulatedNetwork
from kilonova.drivers.volumes.simulated import SimulatedVolumes
from kilonova.errors import KilonovaError
from kilonova.lifecycle.volume_work import VolumeOrder
from kilonova.model.ids import NodeName, ServerId
from kilonova.nodes.attempts import Attempts
from kilonova.nodes.network import NetworkNode
from kilonova.nodes.volume import VolumeNode
from kilonova.saga import Journal
from kilonova.saga.faults import no_faults
from kilonova.sim import Moment
from kilonova.sim.torn import WatchedJournal, fall
from kilonova.trace.recorder import Recorder, Together
from tests.story.conftest import CloudOf
from tests.story.ending import built, deleted

SERVER, VOLUME = ServerId("s1"), "v1"
ORDER = VolumeOrder(work_id="w", work="create", volume_id=VOLUME, node=NodeName("vol"), size_gb=1, deadline=0, ordered_at=0)


class Answers:
    def __init__(self) -> None:
        self.said: list[object] = []

    async def _hear(self, subject: str, reply: object | KilonovaError) -> None:
        self.said.append(reply)

    @property
    def delivery(self) -> Delivery:
        return Delivery(kind="", subject="", queue_wait_s=0, reply_to="me", send_answer=self._hear)


class Volumes(Answers):
    """One volume node, started anew for every message."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    async def says(self, message: ExportWanted | ExportNotWanted) -> bool:
        """Whether the volume is served after this message."""
        store, wishes = SimulatedVolumes(self._folder / "volumes"), Attempts(self._folder / "wishes.sqlite")
        await store.make(ORDER)
        recorder, faults, journal = Recorder("volume", {}), no_faults("volume"), Journal(":memory:")
        bus = LocalBus(LocalBroker(), "vol")
        node = VolumeNode(NodeName("vol"), store, bus, journal, recorder, Together(recorder, faults), faults, wishes)
        await node.handlers()[type(message)](message, self.delivery)
        wishes.close()
        journal.close()
        return VOLUME in await store.exports()


def wanted(number: int) -> ExportWanted:
    return ExportWanted(server_id=SERVER, volume_id=VOLUME, attachment_id="a", size_gb=1, number=number)


def not_wanted(number: int) -> ExportNotWanted:
    return ExportNotWanted(server_id=SERVER, volume_id=VOLUME, attachment_id="a", number=number)


async def test_a_volume_is_not_served_to_whoever_has_given_up(tmp_path: Path) -> None:
    node = Volumes(tmp_path)
    assert not await node.says(not_wanted(2)), "it comes first, though it was said last"
    assert not await node.says(wanted(1)), "served to nobody"
    assert isinstance(answer := node.said[-1], ExportGiven)
    assert "Nobody waits" in answer.refused
    assert await node.says(wanted(3))


async def test_a_volume_in_use_is_not_taken_away_by_what_was_said_before(tmp_path: Path) -> None:
    node = Volumes(tmp_path)
    assert await node.says(wanted(3))
    assert await node.says(not_wanted(2)), "a guest that runs has lost its disk"
    assert node.said[-1] == ExportGiven()
    assert await node.says(wanted(3)) and not await node.says(not_wanted(4))


async def test_ports_that_were_given_up_are_not_wired_again(tmp_path: Path) -> None:
    told, attempts = Answers(), Attempts(tmp_path / "attempts.sqlite")
    node = NetworkNode(NodeName("net"), SimulatedNetwork(tmp_path / "network"), no_faults("network"), attempts)

    async def says(number: int) -> object:
        wanted = NetworkWanted(server_id=SERVER, attempt=1, ports=(), documents={}, number=number)
        await node.take_wanted(wanted, told.delivery)
        return told.said[-1]

    for number, refused in ((5, False), (5, False), (4, True), (6, False)):
        answer = await says(number)
        assert isinstance(answer, NetworkGiven)
        assert bool(answer.refused) is refused
    attempts.close()


class Clock:
    """A host's, in place of the module `time`."""

    behind_s = 0.0

    def time(self) -> float:
        return time.time() - self.behind_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("kilonova.build.wishes.time", clock)
    return clock


@pytest.mark.parametrize("power", ["stays", "fails"])
def test_a_later_wish_has_a_greater_number_whatever_becomes_of_the_clock(tmp_path: Path, clock: Clock, power: str) -> None:
    file, synced, seen = tmp_path / "journal.sqlite", 0, [0]
    for clock.behind_s in (0.0, 90.0, 1e8, -100.0, 3.0):
        journal = WatchedJournal(file, synced)
        numbers = WishNumbers(journal)
        seen += [numbers.number_of_wish(1) for _ in range(3)]
        clock.behind_s += 1.0
        seen += [numbers.number_of_wish(1)]
        fall(journal, file, 10**9 if power == "fails" else 0)
        synced = journal.synced
    assert seen == sorted(set(seen))
    other = Journal(":memory:")
    assert WishNumbers(other).number_of_wish(2047) < 1 << 63, "SQLite keeps it"
    other.close()
    clock.behind_s, other = 1e9, Journal(":memory:")
    assert WishNumbers(other).number_of_wish(2) > seen[-1], "another host's, of a later attempt"
    other.close()


def test_the_disk_is_waited_for_once_a_minute(clock: Clock) -> None:
    journal = Journal(":memory:")
    numbers, reserved = WishNumbers(journal), set()
    for second in range(150):
        clock.behind_s = -float(second)
        numbers.number_of_wish(1)
        reserved.add(journal.reserved())
    assert 3 <= len(reserved) <= 4
    journal.close()


async def test_a_build_goes_on_where_the_clock_was_set_back_while_its_node_was_away(cloud_of: CloudOf, clock: Clock) -> None:
    """Seed 20103: the network node took its second wish for one that had come late, and the build failed."""
    cloud = await cloud_of(hosts=1)

    async def die(moment: Moment) -> None:
        clock.behind_s = 600.0
        await cloud.node_dies(moment)

    cloud.steps.at("after", "ask_for_network", die)
    await built(cloud, server_id := await cloud.build())
    assert cloud.steps.fired["after", "ask_for_network"] == 1
    await deleted(cloud, server_id)
