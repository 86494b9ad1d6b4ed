"""What the simulation's workload has found: each story as short as it can be told, so that it is not found a second time."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kilonova.api.compute.service import SERVICE as COMPUTE
from kilonova.api.image.service import SERVICE as IMAGE
from kilonova.api.volume.service import SERVICE as VOLUME
from kilonova.errors import Unavailable
from kilonova.model.ids import new_uuid
from kilonova.model.server import Action
from kilonova.nodes.greeting import compute_says_hello, network_says_hello
from kilonova.saga import Journal
from kilonova.sim import Moment, SimulatedCloud
from kilonova.sim.faults import fail
from kilonova.sim.roles import Ground, Terms
from kilonova.sim.torn import WatchedJournal, fall
from tests.story.conftest import CloudOf
from tests.story.deeds import DEEDS
from tests.story.ending import built, deleted, failed
from tests.story.holding import AGAIN, Hold, a_while, before, held, on_its_own
from tests.story.test_deadlines_pass import WITH_VOLUMES, ask, becomes, new_snapshot, new_volume
from tests.story.test_history import named


async def history(cloud: SimulatedCloud, server_id: str) -> list[Action]:
    """The oldest first."""
    return list(reversed(await cloud.ledger.read(lambda tx: list(tx.actions.of_server(server_id)))))


async def test_what_was_under_way_when_a_server_was_deleted_has_an_end(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    asked: list[asyncio.Task[int]] = []

    async def delete(moment: Moment) -> None:
        await on_its_own(asked, cloud.delete(moment.record.server_id))

    cloud.steps.at("before", "start_guest", delete)
    server_id = await cloud.build()
    await cloud.wait_for(server_id, "DELETED")
    assert [await one for one in asked] == [204]
    await deleted(cloud, server_id)
    create, delete_ = await history(cloud, server_id)
    assert (create.updated_at, delete_.updated_at) != (None, None)
    assert create.message == "The server was deleted before this was over."
    assert delete_.message is None


async def test_a_deletion_that_is_asked_for_twice_ends_twice(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build()
    await built(cloud, server_id)
    assert list(await asyncio.gather(cloud.delete(server_id), cloud.delete(server_id))) == [204, 204]
    await cloud.wait_for(server_id, "DELETED")
    _, *deletions = await history(cloud, server_id)
    assert len(deletions) == 2
    assert all(one.updated_at is not None and one.message is None for one in deletions)


async def test_a_request_that_comes_again_leaves_the_trace_of_the_first(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    head: dict[str, Any] = {"headers": {"idempotency-key": "once"}}
    ids = await asyncio.gather(*(cloud.build(**head) for _ in range(3)))
    assert len(set(ids)) == 1
    await built(cloud, ids[0])
    assert await cloud.build(**head) == ids[0]
    await built(cloud, ids[0])
    _, spans = await cloud.ledger.read(lambda tx: tx.actions.spans(ids[0]))
    assert {2, 3, 4, 5, 6, 8, 9} <= {span.step for span in spans}
    await deleted(cloud, ids[0])


async def test_control_that_starts_while_the_database_is_away_waits_for_it(
    cloud_of: CloudOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seed 108: nobody ever heard the nodes' reports again."""
    cloud = await cloud_of(hosts=1)
    await cloud.crash("control")
    read, refused = cloud.ledger.read, 0

    async def away(question: Any) -> Any:
        nonlocal refused
        refused += 1
        if refused <= 5:
            raise Unavailable("The database does not answer at the moment.")
        return await read(question)

    monkeypatch.setattr(cloud.ledger, "read", away)
    await cloud.restart("control")

    async def asked_again() -> bool:
        return refused > 5

    await cloud.until(asked_again, "the database to be asked again")
    server_id = await cloud.build()
    await built(cloud, server_id)
    await deleted(cloud, server_id)


async def test_an_order_that_comes_after_its_volumes_deletion_makes_nothing(cloud_of: CloudOf) -> None:
    """Seed 680: the volume was made anew, for nobody."""
    cloud = await cloud_of(hosts=1, services=(COMPUTE, VOLUME))
    path = "/volume/v3/volumes"

    async def gone() -> bool:
        return not (await cloud.send("GET", path)).json()["volumes"]

    async def delete() -> None:
        (volume,) = (await cloud.send("GET", path)).json()["volumes"]
        answer = await cloud.send("POST", f"{path}/{volume['id']}/action", {"os-force_delete": {}})
        assert answer.status_code == 202, answer.text
        await cloud.until(gone, "the deletion")

    cloud.messages.strike("VolumeOrder", delete, on_arrival=True)
    answer = await cloud.send("POST", path, {"volume": {"size": 1}})
    assert answer.status_code == 202, answer.text
    await cloud.until(gone, "the deletion")
    assert cloud.messages.struck["VolumeOrder"] == 1
    assert await cloud.clean() == []
    assert list(await cloud.volume.node.store.inventory()) == []


async def test_an_order_that_waits_for_its_volumes_deletion_makes_nothing(cloud_of: CloudOf) -> None:
    """Seed 50209: it came while the volume was deleted, waited for the end of that, and made it anew."""
    cloud = await cloud_of(hosts=1, services=(COMPUTE, IMAGE, VOLUME))
    making = Hold()
    making.released.set()
    cloud.steps.at("before", "make_volume", making)
    volume_id = await new_volume(cloud)
    deletion, _ = await held(cloud, "remove_volume", ask(cloud, "DELETE", f"/volumes/{volume_id}"))
    node, made = cloud.volume.node, making.moments[0].record
    late = asyncio.create_task(node.take_order(msgspec.structs.replace(made, work_id=new_uuid()), AGAIN))
    await a_while()
    assert not late.done(), "it waits"
    deletion.released.set()
    async with asyncio.timeout(30):
        await late
    await a_while()
    assert before(cloud, "make_volume") == 1
    assert not await node.store.inventory()


async def test_an_action_that_comes_while_another_is_stopped_does_not_begin_after_the_deletion(cloud_of: CloudOf) -> None:
    """It waited for the place: first for what was undone, then for the removal."""
    cloud = await cloud_of(hosts=1)
    await built(cloud, server_id := await cloud.build())
    action, _ = await held(cloud, "plug_in", DEEDS["attach_interface"].ask(cloud, server_id))
    undo = Hold()
    cloud.steps.at("undone", "wire_all", undo)
    assert await cloud.delete(server_id) == 204
    await cloud.until(undo.reached, "the action to be undone")
    node = cloud.computes["compute-1"].node
    late = asyncio.create_task(node.take_task(msgspec.structs.replace(action.moments[0].record, task_id=new_uuid()), AGAIN))
    await a_while()
    assert not late.done(), "it waits"
    undo.released.set()
    await cloud.wait_for(server_id, "DELETED")
    async with asyncio.timeout(30):
        await late
    await a_while()
    assert before(cloud, "wire_all") == 1
    await deleted(cloud, server_id)


class Told(WatchedJournal):
    """How long its log was when it first turned back."""

    stood = 0

    def turn_back(self, key: str, step: int, reason: str, notes: bytes) -> None:
        self.stood = self.stood or self._log.stat().st_size
        super().turn_back(key, step, reason, notes)


class WentOn(Told):
    """How long its log was when it first said that so many `steps` are done."""

    def __init__(self, file: Path, steps: int) -> None:
        super().__init__(file)
        self._steps = steps

    def advance(self, key: str, step: int, record: Any, notes: bytes) -> None:
        super().advance(key, step, record, notes)
        if step == self._steps:
            self.stood = self.stood or self._log.stat().st_size


class MachineWithoutPower(SimulatedCloud):
    """Where a compute node dies, all goes that was written since its journal `stood`, and need not be on the disk."""

    opens: Callable[[Path], Told] = Told
    lost: int | None = None

    def _stand_on(self, terms: Terms) -> Ground:
        return replace(super()._stand_on(terms), open_journal=lambda file: self.opens(file), fell=self._falls)

    def _falls(self, journal: Journal, file: Path) -> bool:
        """Only the journal's end goes: the guests are left to the story."""
        if isinstance(journal, Told) and journal.stood:
            self.lost = fall(journal, file, file.with_name(f"{file.name}-wal").stat().st_size - journal.stood)
        else:
            journal.close()
        return False


async def test_what_turned_back_does_not_go_on_when_the_power_was_off(tmp_path: Path, furnished: Path) -> None:
    """Seed 692: the node had forgotten that it had turned back, and built on without the disks that it had undone."""
    async with MachineWithoutPower(tmp_path / "cloud", hosts=1, template=furnished) as cloud:

        async def die(moment: Moment) -> None:
            await cloud.die_here("compute-1")

        cloud.steps.at("before", "start_guest", fail)
        cloud.steps.at("undone", "assemble_disks", die)
        server_id = await cloud.build()
        server = await failed(cloud, server_id)
        assert cloud.steps.fired["undone", "assemble_disks"] == 1
        assert cloud.lost is not None, "nobody fell"
        assert server.fault is not None
        assert "start_guest was made to fail" in server.fault.message
        await deleted(cloud, server_id)


@pytest.mark.parametrize("known", [1, 2])
async def test_what_a_node_has_forgotten_of_a_build_that_failed_goes_by_itself(
    tmp_path: Path, furnished: Path, known: int
) -> None:
    """Seed 20103: the guest had been started, and the node, back from a power cut, did not know; its hello shows it."""
    async with MachineWithoutPower(tmp_path / "cloud", hosts=1, template=furnished) as cloud:
        cloud.opens = lambda file: WentOn(file, known)
        await cloud.restart("compute-1")
        await built(cloud, other := await cloud.build())  # its first wish has waited for the disk
        await deleted(cloud, other)
        journal = cloud.computes["compute-1"].journal
        assert isinstance(journal, WentOn)
        journal.stood = 0

        async def die(moment: Moment) -> None:
            cloud.steps.at("before", ("assemble_disks", "ask_for_network")[known - 1], fail)
            await cloud.die_here("compute-1")

        cloud.steps.at("after", "start_guest", die)
        server_id = await cloud.build()
        server = await cloud.wait_for(server_id, "ACTIVE", "ERROR")
        assert server.status == "ERROR"
        assert cloud.lost, "nothing was forgotten"
        await named(cloud, server_id)  # also what control knows of it, which it may write a moment later
        (before,) = await history(cloud, server_id)
        node, network = cloud.computes["compute-1"].node, cloud.network.node
        await compute_says_hello(node, node.bus, first=False)
        await network_says_hello(network, cloud.network.bus, first=False)
        assert await failed(cloud, server_id) == server
        assert await history(cloud, server_id) == [before], "what became of the build is not told anew"
        await deleted(cloud, server_id)


async def test_what_control_was_told_is_not_forgotten_when_the_power_was_off(tmp_path: Path, furnished: Path) -> None:
    """Seed 20758: a node took up a build that it had ended, was too late, and wiped the disks of a server that was ACTIVE."""
    async with MachineWithoutPower(tmp_path / "cloud", hosts=1, template=furnished) as cloud:
        cloud.opens = lambda file: WentOn(file, 4)
        await cloud.restart("compute-1")
        await built(cloud, server_id := await cloud.build())
        cloud.steps.at("before", "report_running", fail)
        await cloud.crash("compute-1")
        assert cloud.lost, "nothing was forgotten"
        await cloud.restart("compute-1")
        await built(cloud, server_id)
        assert not cloud.steps.fired["before", "report_running"], "it was taken up again"
        await deleted(cloud, server_id)


@pytest.mark.parametrize("failing", [1, 2])
async def test_a_volume_that_stays_since_its_snapshot_does_says_so_itself(cloud_of: CloudOf, failing: int) -> None:
    """Seed 6780: only the snapshot had a message, and whoever had asked for the volume's deletion looks at the volume."""
    cloud = await cloud_of(hosts=1, services=WITH_VOLUMES)
    volume_id = await new_volume(cloud)
    snapshots = [await new_snapshot(cloud, volume_id) for _ in range(2)]
    cloud.steps.at("before", "drop_snapshot", fail, times=failing)
    await ask(cloud, "DELETE", f"/volumes/{volume_id}?cascade=true")
    await becomes(cloud, "volume", volume_id, "error_deleting")
    left: list[str] = []

    async def rest() -> bool:
        found = (await ask(cloud, "GET", "/snapshots/detail")).json()["snapshots"]
        left[:] = [one["id"] for one in found if one["status"] == "error_deleting"]
        return len(found) == len(left)

    await cloud.until(rest, "each snapshot to be gone, or to be said to stay")
    assert len(left) == failing and set(left) <= set(snapshots)
    (told,) = (await ask(cloud, "GET", f"/messages?resource_uuid={volume_id}")).json()["messages"]
    (first,) = (one for one in left if one in told["user_message"])
    (of_snapshot,) = (await ask(cloud, "GET", f"/messages?resource_uuid={first}")).json()["messages"]
    why = of_snapshot["user_message"].removeprefix("delete snapshot: ")
    assert told["user_message"] == f"delete volume: its snapshot {first} could not be deleted: {why}"
    assert "drop_snapshot was made to fail" in why
    assert (told["resource_type"], told["event_id"]) == ("VOLUME", "VOLUME_VOLUME_001_003")
