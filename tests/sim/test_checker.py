"""The checker catches what is wrong: each violation is planted straight into the ledger or a driver, and must be found.

What it finds in a cloud where nothing is planted is nothing: the seeds of test_workload.py show that.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from kilonova.errors import BuildFailed
from kilonova.model.ids import ServerId
from kilonova.model.quota import UNLIMITED
from kilonova.sim.checker import LATE_S, Watcher, check
from kilonova.sim.checks.view import look
from kilonova.sim.operations import actions, images, networks, volumes
from kilonova.sim.operations.promise import Promise
from kilonova.sim.operations.servers import HUGE, one, order
from kilonova.sim.operations.servers import delete as delete_server
from kilonova.sim.stage import Stage
from tests.sim.conftest import Calm
from tests.sim.plants import PLANTS, Plant, leaked_quota, two_guests
from tests.sim.scenery import Scenery

Story = Callable[[Scenery], Awaitable[None]]
Tell = Callable[[Story], None]


@pytest.fixture
def tell(stage: Stage, calm: Calm) -> Tell:
    """``tell(story)``: in virtual time, with three hosts on two nodes."""

    def begin(story: Story) -> None:
        calm(lambda cloud: story(Scenery(cloud, stage.tenants)), hosts=3, nodes=2)

    return begin


@pytest.mark.parametrize(("kind", "plant"), PLANTS, ids=[f"{kind}-{plant.__name__}" for kind, plant in PLANTS])
def test_what_is_planted_is_found(tell: Tell, kind: str, plant: Plant) -> None:
    async def story(at: Scenery) -> None:
        await at.furnish()
        await plant(at)
        assert kind in await at.found()

    tell(story)


def test_a_violation_tells_what_one_needs_to_see_why(tell: Tell) -> None:
    async def story(at: Scenery) -> None:
        await at.furnish()
        await at.change("servers", {"task_state": "powering-off"}, id=at.server_id)
        (wrong,) = [one for one in await at.violations() if one.kind == "stuck"]
        assert wrong.about == at.server_id
        assert any("start_guest=done" in fact for fact in wrong.facts), "its history and its trace"

    tell(story)


def test_a_clean_cloud_is_emptied_and_nothing_is_left(tell: Tell) -> None:
    async def story(at: Scenery) -> None:
        await at.furnish()
        assert await check(at.cloud, at.workload) == []
        view = await look(at.cloud)
        assert (view.alive, view.guests, view.rows["volumes"], view.rows["ports"]) == ([], (), [], [])

    tell(story)


def test_what_a_deletion_leaves_behind_is_found(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is wrong before: only the empty cloud shows it."""

    async def forget(*known: Any) -> None:
        """As a driver with a defect."""

    async def story(at: Scenery) -> None:
        await at.furnish()
        monkeypatch.setattr(at.hands.disks, "remove", forget)
        assert {"left"} <= {one.kind for one in await check(at.cloud, at.workload, 60.0)}

    tell(story)


def test_a_build_that_fails_may_take_its_volume_along(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seed 2010: its owner had said that the volume goes with the server, and the server stays to say why."""

    async def fail(*known: Any) -> None:
        raise BuildFailed("The hardware was made to fail.")

    async def story(at: Scenery) -> None:
        await at.furnish()
        made = await at.turn("made").ask("POST", volumes.VOLUMES, {"volume": {"size": 1}}, allowed=(202,))
        volume = at.turn("made").promised("volume", made.body["volume"]["id"], "made")
        bootable = {"os-set_bootable": {"bootable": True}}
        await at.turn("made").ask("POST", f"{volumes.VOLUMES}/{volume.id}/action", bootable, allowed=(200,))
        assert await at.cloud.clean() == []
        for role in at.cloud.computes.values():
            for hands in role.node.hosts.values():
                monkeypatch.setattr(hands.hypervisor, "start", fail)
        known = {"source_type": "volume", "destination_type": "volume", "uuid": volume.id, "boot_index": 0}
        wish = {"imageRef": "", "networks": "none", "block_device_mapping_v2": [{**known, "delete_on_termination": True}]}
        answer = await order(at.turn("fails"), {**one(at.turn("fails")), **wish})
        assert answer.status == 202, answer.body
        volume.with_servers.append(answer.body["server"]["id"])
        await at.cloud.wait_for(volume.with_servers[0], "ERROR")
        assert await at.cloud.clean() == []
        assert volume.id not in (await look(at.cloud)).by_id("volumes")
        assert await at.found() == set()

    tell(story)


def test_an_answer_that_nobody_allows_is_a_violation(tell: Tell) -> None:
    async def story(at: Scenery) -> None:
        await at.turn("odd").ask("GET", "/compute/v2.1/servers", allowed=(202,))
        (wrong,) = at.workload.violations
        assert (wrong.kind, wrong.about) == ("answer", "odd")

    tell(story)


def test_a_refused_connection_is_allowed_only_while_control_is_away(tell: Tell) -> None:
    async def story(at: Scenery) -> None:
        at.cloud.control.client.close()
        at.workload.scene.excused = lambda: True
        assert not (await at.turn("away").ask("GET", "/compute/v2.1/servers", allowed=(200,))).known
        assert at.workload.violations == []
        at.workload.scene.excused = lambda: False
        await at.turn("away").ask("GET", "/compute/v2.1/servers", allowed=(200,))
        assert [one.kind for one in at.workload.violations] == ["no answer"]

    tell(story)


def test_a_volume_may_go_with_a_server_whose_creation_nobody_answered(tell: Tell) -> None:
    """Seed 33017: the build failed, and took its volume along, as it was to."""

    async def story(at: Scenery) -> None:
        await at.furnish()
        promise = Promise(kind="volume", id="gone-with-it", name="v", owner="tenant-1", at=0.0)
        promise.with_named.append("impossible")
        at.workload.scene.promises.keep(promise)
        assert await at.found() == {"lost"}
        await order(at.turn("server"), {**one(at.turn("server")), "name": "impossible", "flavorRef": HUGE, "networks": "none"})
        assert await at.cloud.clean() == []
        assert await at.found() == set()

    tell(story)


class TestWatcher:
    def test_it_sees_two_guests(self, tell: Tell) -> None:
        async def story(at: Scenery) -> None:
            await at.furnish()
            watcher = Watcher(at.cloud, at.workload)
            await watcher.look_at_guests()
            assert watcher.violations == []
            at.elsewhere.hypervisor._memory.put(ServerId(at.server_id), "crashed@1.0")
            await watcher.look_at_guests()
            assert watcher.violations == [], "its machine lost its power: nothing of it runs"
            await two_guests(at)
            await watcher.look_at_guests()
            assert [one.kind for one in watcher.violations] == ["two guests"]

        tell(story)

    def test_it_sees_a_quota_that_is_passed(self, tell: Tell) -> None:
        async def story(at: Scenery) -> None:
            await at.furnish()
            watcher = Watcher(at.cloud, at.workload)
            project = at.workload.scene.tenants[0].project_id
            await at.cloud.ledger.write(lambda tx: tx.quotas.change(project, {"instances": 1, "cores": 1}))
            await watcher.look_at_ledger()
            assert watcher.violations == []
            await leaked_quota(at)
            await watcher.look_at_ledger()
            assert [one.kind for one in watcher.violations] == ["quota"]

        tell(story)

    def test_what_limits_allowed_between_two_looks_counts_and_nothing_else(self, tell: Tell) -> None:
        async def story(at: Scenery) -> None:
            await at.furnish()
            watcher = Watcher(at.cloud, at.workload)
            project = at.workload.scene.tenants[0].project_id

            async def limit(cores: int) -> None:
                await at.cloud.ledger.write(lambda tx: tx.quotas.change(project, {"cores": cores}))

            async def use(cores: int) -> None:
                await at.change("servers", {"vcpus": cores}, id=at.server_id)

            await limit(1)
            await watcher.look_at_ledger()
            for many in (10, UNLIMITED):
                await limit(many)
                await use(5)
                await limit(2)
                await watcher.look_at_ledger()
                assert watcher.violations == [], "it was allowed then; to lower a limit takes nothing away"
                await use(1)
                await watcher.look_at_ledger()
            await limit(10)
            await limit(2)
            await use(3)
            await limit(10)
            assert [one.kind for one in watcher.violations] == ["quota"], "it was allowed before, and after, but not then"

        tell(story)

    def test_it_sees_counters_below_nothing(self, tell: Tell) -> None:
        async def story(at: Scenery) -> None:
            await at.furnish()
            watcher = Watcher(at.cloud, at.workload)
            await at.change("hosts", {"ram_mb_used": -512}, name=at.host)
            await watcher.look_at_ledger()
            assert [one.kind for one in watcher.violations] == ["host counters"]

        tell(story)

    def test_it_sees_a_build_that_is_late(self, tell: Tell) -> None:
        async def story(at: Scenery) -> None:
            await at.furnish()
            watcher = Watcher(at.cloud, at.workload)
            await asyncio.sleep(LATE_S * 2)
            placed = await at.cloud.ledger.read(lambda tx: tx.servers.record(at.server_id))
            assert placed is not None
            late = replace(placed, deadline=time.time() - LATE_S * 2)
            await at.change("servers", {"vm_state": "building"}, id=at.server_id)
            await at.cloud.ledger.write(lambda tx: tx.orders.queue_build(late, ""))
            await watcher.look_at_ledger()
            assert [one.kind for one in watcher.violations] == ["deadline"]

        tell(story)


def test_operations_of_every_room_promise_what_they_make(tell: Tell) -> None:
    async def story(at: Scenery) -> None:
        await at.furnish()
        await actions.ask(at.turn("snapshot"), at.promise("server"), "createImage")
        assert await at.cloud.clean() == []
        await volumes.detach(at.turn("detach"))
        await networks.create_floating_ip(at.turn("floating"))
        await networks.create_group(at.turn("group"))
        kinds = {promise.kind for promise in at.workload.accepted.values()}
        assert kinds == {"server", "volume", "port", "router", "network", "image", "floatingip", "group"}
        await images.delete(at.turn("image"))
        await delete_server(at.turn("delete"))
        assert await check(at.cloud, at.workload) == []

    tell(story)
