"""Volumes whose attaching or detaching nobody reported in time: what became of them is known once their node speaks again."""

import time
from typing import Any

import pytest
from msgspec.structs import replace

from kilonova.api.compute.service import SERVICE as COMPUTE
from kilonova.api.image.service import SERVICE as IMAGE
from kilonova.api.volume.service import SERVICE as VOLUME
from kilonova.model.ids import HostName
from kilonova.saga.run import UNDO_TRIES
from kilonova.sim import SimulatedCloud
from kilonova.sim.faults import Moment, fail
from tests.story.conftest import CloudOf
from tests.story.deeds import DEEDS, blank_volume
from tests.story.ending import built, deleted
from tests.story.holding import AGAIN, Hold, a_while, before
from tests.story.test_deadlines_pass import LIMIT_S, it_is_later

WITH_VOLUMES = (COMPUTE, VOLUME, IMAGE)


def path_of(server_id: str) -> str:
    return f"/compute/v2.1/servers/{server_id}/os-volume_attachments"


async def status_of(cloud: SimulatedCloud, volume_id: str) -> str:
    return str(await cloud.ledger.read(lambda tx: tx.volumes.volumes.get(volume_id).status))


async def served(cloud: SimulatedCloud) -> set[str]:
    """The volumes that are served to anybody."""
    return set(await cloud.volume.node.store.exports())


async def becomes(cloud: SimulatedCloud, volume_id: str, status: str) -> None:
    """The volume has this status, is served if it is in use, and nothing is under way for any server."""

    async def reached() -> bool:
        rests = not await cloud.ledger.read(lambda tx: tx.orders.open_servers())
        is_served = volume_id in await served(cloud)
        return rests and await status_of(cloud, volume_id) == status and is_served == (status == "in-use")

    await cloud.until(reached, f"the volume to be {status}")


async def attach(cloud: SimulatedCloud, server_id: str) -> str:
    """The id of the volume; it is asked for."""
    volume_id = await blank_volume(cloud)
    answer = await cloud.send("POST", path_of(server_id), {"volumeAttachment": {"volumeId": volume_id}})
    assert answer.status_code == 200, answer.text
    return volume_id


async def detach(cloud: SimulatedCloud, server_id: str, volume_id: str) -> None:
    answer = await cloud.send("DELETE", f"{path_of(server_id)}/{volume_id}")
    assert answer.status_code == 202, answer.text


async def said(cloud: SimulatedCloud, server_id: str) -> str:
    """What the history says of the newest action on a volume."""
    actions = await cloud.ledger.read(lambda tx: tx.servers.actions(server_id))
    return next(one.message or "" for one in actions if one.action.endswith("_volume"))


class Late(Hold):
    """Holds a saga up at a step, which then `fails`, or not."""

    fails = False

    async def __call__(self, moment: Moment) -> None:
        await super().__call__(moment)
        if self.fails:
            await fail(moment)


async def held_up(cloud_of: CloudOf, step: str) -> tuple[SimulatedCloud, str, str, Late]:
    """A server whose volume's attaching (or detaching) stands before a step: (cloud, server, volume, step)."""
    cloud, late = await cloud_of(hosts=1, services=WITH_VOLUMES), Late()
    await built(cloud, server_id := await cloud.build())
    cloud.steps.at("before", step, late)
    volume_id = await attach(cloud, server_id)
    if step == "pull_volume_out":
        await becomes(cloud, volume_id, "in-use")
        await detach(cloud, server_id, volume_id)
    await cloud.until(late.reached, f"{step} to begin")
    return cloud, server_id, volume_id, late


async def too_late(cloud_of: CloudOf, step: str) -> tuple[SimulatedCloud, str, str, Late]:
    """As `held_up`, and its time is over."""
    cloud, server_id, volume_id, late = await held_up(cloud_of, step)
    await it_is_later(cloud, LIMIT_S + 1)
    assert await status_of(cloud, volume_id) == "in-use"
    assert "was not over within its time" in await said(cloud, server_id)
    return cloud, server_id, volume_id, late


async def ask_behind(cloud: SimulatedCloud, deed: str, order: str, server_id: str) -> None:
    """The order has arrived, and waits for what is under way."""
    asked = cloud.messages.seen[order]
    await DEEDS[deed].ask(cloud, server_id)

    async def there() -> bool:
        return bool(cloud.messages.seen[order] > asked)

    await cloud.until(there, "the order to arrive")


@pytest.mark.parametrize("rebooted", [False, True])
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("step", ["plug_volume_in", "pull_volume_out"])
async def test_a_last_word_that_is_late_counts(cloud_of: CloudOf, step: str, fails: bool, rebooted: bool) -> None:
    """Also with a reboot behind it, which was ordered while the volume was said to be the server's."""
    cloud, server_id, volume_id, late = await too_late(cloud_of, step)
    if rebooted:
        await ask_behind(cloud, "reboot", "Reboot", server_id)
    late.fails = fails
    late.released.set()
    stays = fails if step == "pull_volume_out" else not fails
    await becomes(cloud, volume_id, "in-use" if stays else "available")
    assert "was not over within its time" in await said(cloud, server_id), "that it was late is not forgotten"
    await deleted(cloud, server_id)
    await becomes(cloud, volume_id, "available")


async def test_what_comes_after_the_detaching_does_not_attach_again(cloud_of: CloudOf) -> None:
    cloud, server_id, volume_id, late = await too_late(cloud_of, "serve_to_host")
    late.released.set()
    await becomes(cloud, volume_id, "in-use")
    await detach(cloud, server_id, volume_id)
    await becomes(cloud, volume_id, "available")
    begun, order = before(cloud, "serve_to_host"), late.moments[0].record
    again = replace(order, task_id="another", again=True, deadline=time.time() + LIMIT_S)
    await cloud.computes["compute-1"].node.take_task(again, AGAIN)
    await a_while()
    assert before(cloud, "serve_to_host") == begun
    assert not await served(cloud)
    await deleted(cloud, server_id)


@pytest.mark.parametrize("step", ["plug_volume_in", "pull_volume_out"])
@pytest.mark.parametrize(("deed", "order", "fails_at"), [("reboot", "Reboot", ""), ("resize", "Resize", "use_larger_disks")])
async def test_what_was_ordered_meanwhile_does_not_serve_it_again(
    cloud_of: CloudOf, step: str, deed: str, order: str, fails_at: str
) -> None:
    """Its order names the volume still, which could not be attached, or was pulled out; so does the undo of one that fails."""
    cloud, server_id, volume_id, late = await held_up(cloud_of, step)
    await ask_behind(cloud, deed, order, server_id)
    if fails_at:
        cloud.steps.at("after", fails_at, fail)
    late.fails, wished = step == "plug_volume_in", cloud.messages.seen["ExportWanted"]
    late.released.set()
    await becomes(cloud, volume_id, "available")
    assert cloud.messages.seen["ExportWanted"] == wished, "nobody has asked for it again"
    assert (await cloud.server(server_id)).status == "ACTIVE"
    assert not fails_at or ("undone", "end_small_guest") in cloud.steps.seen
    await deleted(cloud, server_id)
    await becomes(cloud, volume_id, "available")


async def test_a_detaching_that_fails_does_not_put_back_what_never_came(cloud_of: CloudOf) -> None:
    """It was asked for while nobody knew whether the volume is in the guest."""
    cloud, server_id, volume_id, late = await too_late(cloud_of, "plug_volume_in")
    await detach(cloud, server_id, volume_id)
    cloud.steps.at("after", "pull_volume_out", fail)
    late.fails, wished = True, cloud.messages.seen["ExportWanted"]
    late.released.set()
    await becomes(cloud, volume_id, "available")
    assert cloud.messages.seen["ExportWanted"] == wished
    assert "was made to fail" in await said(cloud, server_id), "the detaching has failed"
    await deleted(cloud, server_id)


@pytest.mark.parametrize("step", ["serve_to_host", "plug_volume_in", "pull_volume_out"])
async def test_a_reboot_that_comes_first_does_what_then_fails(cloud_of: CloudOf, step: str) -> None:
    """It was ordered later, so it has started the guest with the volume already; it is not the server's when that has failed."""
    cloud = await cloud_of(hosts=1, services=WITH_VOLUMES)
    await built(cloud, server_id := await cloud.build())
    stays = step == "pull_volume_out"
    if stays:
        await becomes(cloud, volume_id := await attach(cloud, server_id), "in-use")
    cloud.messages.lose("DetachVolume" if stays else "AttachVolume")
    cloud.steps.seen.clear()
    cloud.steps.at("before", step, fail)
    if stays:
        await detach(cloud, server_id, volume_id)
    else:
        volume_id = await attach(cloud, server_id)
    await DEEDS["reboot"].ask(cloud, server_id)
    await becomes(cloud, volume_id, "in-use" if stays else "available")
    assert cloud.steps.seen.index(("after", "switch_on")) < cloud.steps.seen.index(("before", step))
    assert "was made to fail" in await said(cloud, server_id)
    hypervisor: Any = cloud.computes["compute-1"].node.hosts["sim-1"].hypervisor
    assert (volume_id in hypervisor.plugged(server_id)) == stays
    await deleted(cloud, server_id)
    await becomes(cloud, volume_id, "available")


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("step", "taken_back"),
    [("plug_volume_in", "unplug_disk"), ("report_volume_attached", "unplug_disk"), ("pull_volume_out", "plug_disk")],
)
async def test_a_guest_that_does_not_answer_loses_it_when_it_answers_again(
    cloud_of: CloudOf, step: str, taken_back: str, late: bool
) -> None:
    """The action fails, and so does going back: what the guest has, nobody can say; so it is pulled out until that has worked."""
    cloud, server_id, volume_id, held = await held_up(cloud_of, step)
    if late:
        await it_is_later(cloud, LIMIT_S + 1)
    cloud.drivers.fail(f"hypervisor.{taken_back}", times=UNDO_TRIES)
    cloud.drivers.fail("hypervisor.unplug_disk", times=2)  # it does not answer to the next two orders either
    held.fails = True
    held.released.set()
    await becomes(cloud, volume_id, "available")
    assert await said(cloud, server_id), "that it has failed is not forgotten"
    hypervisor: Any = cloud.computes["compute-1"].node.hosts[HostName("sim-1")].hypervisor
    assert volume_id not in hypervisor.plugged(server_id)
    assert cloud.drivers.fired[f"hypervisor.{taken_back}"] >= UNDO_TRIES
    await deleted(cloud, server_id)
    await becomes(cloud, volume_id, "available")
