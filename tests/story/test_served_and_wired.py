"""Volumes and NICs: served, in the guest and wired from when they are promised until nobody can use them, and no longer."""

from typing import Any

from kilonova.sim import SimulatedCloud
from kilonova.sim.faults import fail
from tests.story.conftest import CloudOf
from tests.story.deeds import DEEDS
from tests.story.ending import built, deleted
from tests.story.holding import AGAIN, Hold, a_while, before, held
from tests.story.test_actions_fail import prepared
from tests.story.test_deadlines_pass import WITH_VOLUMES, ask, new_volume


async def test_a_volume_is_served_as_long_as_the_guest_has_it(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await prepared(cloud, DEEDS["detach_volume"])
    hold, _ = await held(cloud, "pull_volume_out", DEEDS["detach_volume"].ask(cloud, server_id))
    assert len(await cloud.volume.node.store.exports()) == 1, "the guest may still be writing"
    hold.released.set()
    await DEEDS["detach_volume"].ended(cloud, server_id)
    assert await cloud.volume.node.store.exports() == {}
    await deleted(cloud, server_id)


async def test_a_volume_whose_detaching_failed_is_in_the_guest_again(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await prepared(cloud, DEEDS["detach_volume"])
    hypervisor: Any = next(iter(cloud.computes["compute-1"].node.hosts.values())).hypervisor
    plugged: list[str] = []
    plug = hypervisor.plug_disk

    async def seen(server: Any, disk: Any) -> None:
        plugged.append(disk.name)
        await plug(server, disk)

    hypervisor.plug_disk = seen
    cloud.steps.at("before", "end_its_export", fail)
    await DEEDS["detach_volume"].ask(cloud, server_id)
    assert (await DEEDS["detach_volume"].ended(cloud, server_id)).status == "ACTIVE"
    hypervisor.plug_disk = plug
    assert plugged == list(await cloud.volume.node.store.exports()), "the server shows it, so its guest has it"
    assert len(plugged) == 1
    await deleted(cloud, server_id)


async def test_a_volume_that_was_served_unheard_is_served_no_more(cloud_of: CloudOf) -> None:
    """Every answer of the volume node is lost, so nobody knows that it serves the volume."""
    cloud = await cloud_of(hosts=1)
    await built(cloud, server_id := await cloud.build())
    cloud.messages.lose("ExportGiven", times=11)  # those of half a minute, asked for every three seconds
    await DEEDS["attach_volume"].ask(cloud, server_id)
    server = await DEEDS["attach_volume"].ended(cloud, server_id)
    assert server.status == "ACTIVE"
    assert cloud.messages.fired["lose", "ExportGiven"] >= 10
    assert await cloud.volume.node.store.exports() == {}
    assert await cloud.clean() == []
    await deleted(cloud, server_id)


async def test_a_volume_that_was_deleted_is_not_made_by_a_late_copy(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1, services=WITH_VOLUMES)
    hold = Hold()
    hold.released.set()
    cloud.steps.at("before", "make_volume", hold)
    volume_id = await new_volume(cloud)
    node = cloud.volume.node
    for gone in (False, True):
        if gone:
            await ask(cloud, "DELETE", f"/volumes/{volume_id}")
            await cloud.until(lambda: _without_files(cloud), "the volume to be gone")
        await node.take_order(hold.moments[0].record, AGAIN)
        await a_while()
        assert before(cloud, "make_volume") == 1
    assert not await node.store.inventory()


async def test_a_nic_that_could_not_be_attached_is_unwired(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    await built(cloud, server_id := await cloud.build())
    network: Any = cloud.network.node.network
    wired: list[int] = []
    wire = network.wire

    async def seen(server: Any, ports: Any, documents: Any) -> Any:
        wired.append(len(ports))
        return await wire(server, ports, documents)

    network.wire = seen
    cloud.steps.at("before", "plug_in", fail)
    await DEEDS["attach_interface"].ask(cloud, server_id)
    await DEEDS["attach_interface"].ended(cloud, server_id)
    assert wired == [2, 1], "both, and then only the one that it has"
    network.wire = wire
    await deleted(cloud, server_id)


async def _without_files(cloud: SimulatedCloud) -> bool:
    return not await cloud.volume.node.store.inventory()
