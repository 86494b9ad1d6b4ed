"""The NICs in a guest, the ports the network node has wired and those of the ledger are the same in the end.

Whatever nobody reported in time, came late, or was carried out in another order than it was asked for.
"""

from typing import Any

import pytest

from kilonova.saga.run import UNDO_TRIES
from kilonova.sim import SimulatedCloud
from kilonova.sim.faults import fail
from tests.story.conftest import CloudOf
from tests.story.deeds import DEEDS
from tests.story.ending import built, deleted
from tests.story.test_deadlines_pass import LIMIT_S, it_is_later
from tests.story.test_told_late import Late

STEPS = {"attach": "plug_in", "detach": "pull_out"}


async def ports_of(cloud: SimulatedCloud, server_id: str) -> set[str]:
    return {port.id for port in await cloud.ledger.read(lambda tx: tx.networks.server_ports_of(server_id))}


async def attach(cloud: SimulatedCloud, server_id: str) -> str:
    """The new port's id."""
    answer = await cloud.send("POST", f"/compute/v2.1/servers/{server_id}/os-interface", {"interfaceAttachment": {}})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["interfaceAttachment"]["port_id"])


async def detach(cloud: SimulatedCloud, server_id: str, port_id: str) -> int:
    return (await cloud.send("DELETE", f"/compute/v2.1/servers/{server_id}/os-interface/{port_id}")).status_code


async def agreed(cloud: SimulatedCloud, server_id: str, *wanted: str) -> None:
    """Nothing is under way, and everybody has these ports and no others."""

    async def everywhere() -> bool:
        if await cloud.ledger.read(lambda tx: tx.orders.open_servers()):
            return False
        hypervisor: Any = cloud.computes["compute-1"].node.hosts["sim-1"].hypervisor  # type: ignore[index]
        network: Any = cloud.network.node.network
        has = (await ports_of(cloud, server_id), hypervisor.plugged(server_id), network.ports(server_id))
        assert has == (set(wanted),) * 3
        return True

    await cloud.until(everywhere, "all orders to be over")


async def held(cloud: SimulatedCloud, name: str) -> tuple[str, set[str], str, Late]:
    """An attaching or a detaching stands before its step at the guest: (server, its other ports, the port, what holds it)."""
    await built(cloud, server_id := await cloud.build())
    others, late = await ports_of(cloud, server_id), Late()
    if name == "detach":
        port_id = await attach(cloud, server_id)
        await agreed(cloud, server_id, *others, port_id)
    cloud.steps.at("before", STEPS[name], late)
    if name == "attach":
        port_id = await attach(cloud, server_id)
    else:
        assert await detach(cloud, server_id, port_id) == 202
    await cloud.until(late.reached, "the step to begin")
    return server_id, others, port_id, late


@pytest.mark.parametrize("since", ["nothing", "attach", "detach", "reboot"])
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("name", STEPS)
async def test_a_last_word_that_is_late_counts(cloud_of: CloudOf, name: str, fails: bool, since: str) -> None:
    """Whatever was asked for since, when the port was the server's as far as anybody knew."""
    cloud = await cloud_of(hosts=1)
    server_id, others, port_id, late = await held(cloud, name)
    await it_is_later(cloud, LIMIT_S + 1)
    actions = await cloud.ledger.read(lambda tx: tx.servers.actions(server_id))
    assert "was not over within its time" in (actions[0].message or "")
    assert await ports_of(cloud, server_id) == {*others, port_id}
    match since:
        case "attach":
            others = {*others, await attach(cloud, server_id)}
        case "detach":
            assert await detach(cloud, server_id, others.pop()) == 202
        case "reboot":
            await DEEDS["reboot"].ask(cloud, server_id)
    late.fails = fails
    late.released.set()
    await agreed(cloud, server_id, *others, *({port_id} if fails == (name == "detach") else ()))
    await deleted(cloud, server_id)


async def test_a_reboot_does_not_bring_back_what_is_on_its_way_out(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    server_id, others, port_id, late = await held(cloud, "detach")
    assert await detach(cloud, server_id, port_id) == 409
    wanted = {"interfaceAttachment": {"port_id": port_id}}
    answer = await cloud.send("POST", f"/compute/v2.1/servers/{server_id}/os-interface", wanted)
    assert answer.status_code == 409
    await DEEDS["reboot"].ask(cloud, server_id)
    late.released.set()
    await agreed(cloud, server_id, *others)
    await deleted(cloud, server_id)


async def test_a_reboot_that_was_asked_for_while_it_was_plugged_in_does_not_bring_it_back(cloud_of: CloudOf) -> None:
    """It could not be plugged in, and the reboot behind it still names it."""
    cloud = await cloud_of(hosts=1)
    server_id, others, _, late = await held(cloud, "attach")
    await DEEDS["reboot"].ask(cloud, server_id)
    late.fails = True
    late.released.set()
    await agreed(cloud, server_id, *others)
    await deleted(cloud, server_id)


@pytest.mark.parametrize("then", ["attach", "detach"])
@pytest.mark.parametrize("first", ["attach", "detach"])
async def test_two_that_are_carried_out_in_the_other_order(cloud_of: CloudOf, first: str, then: str) -> None:
    """The first order is lost, and comes when the second has been carried out: it says nothing of what the second did."""
    cloud = await cloud_of(hosts=1)
    await built(cloud, server_id := await cloud.build())
    ports = await ports_of(cloud, server_id) | {await attach(cloud, server_id), await attach(cloud, server_id)}
    await agreed(cloud, server_id, *ports)
    cloud.messages.lose("AttachInterface" if first == "attach" else "DetachInterface")
    for name in (first, then):
        if name == "attach":
            ports.add(await attach(cloud, server_id))
        else:
            assert await detach(cloud, server_id, sorted(ports)[-1]) == 202
            ports.remove(sorted(ports)[-1])
    await agreed(cloud, server_id, *ports)
    assert cloud.messages.fired["lose", f"{first.title()}Interface"] == 1
    await deleted(cloud, server_id)


@pytest.mark.parametrize(
    ("name", "step"), [("attach", "wire_all"), ("attach", "plug_in"), ("detach", "pull_out"), ("detach", "unwire_one")]
)
async def test_a_reboot_that_comes_first_does_what_then_fails(cloud_of: CloudOf, name: str, step: str) -> None:
    """It was ordered later, so it has started the guest with the new NIC, or without the old one, already (seed 822)."""
    cloud = await cloud_of(hosts=1)
    await built(cloud, server_id := await cloud.build())
    others, port_id = await ports_of(cloud, server_id), await attach(cloud, server_id)
    await agreed(cloud, server_id, *others, port_id)
    cloud.messages.lose(f"{name.title()}Interface")
    cloud.steps.seen.clear()
    cloud.steps.at("before", step, fail)
    if name == "attach":
        await attach(cloud, server_id)
    else:
        assert await detach(cloud, server_id, port_id) == 202
    await DEEDS["reboot"].ask(cloud, server_id)
    await agreed(cloud, server_id, *others, port_id)
    assert cloud.steps.seen.index(("after", "switch_on")) < cloud.steps.seen.index(("before", step))
    await deleted(cloud, server_id)


@pytest.mark.parametrize(("name", "point"), [("attach", "hypervisor.unplug_nic"), ("detach", "hypervisor.plug_nic")])
async def test_what_can_neither_go_in_nor_out_goes(cloud_of: CloudOf, name: str, point: str) -> None:
    """The action fails, and so does going back, as often as it is tried: what the guest has then, nobody knows; so it goes."""
    cloud = await cloud_of(hosts=1)
    server_id, others, _, late = await held(cloud, name)
    cloud.drivers.fail(point, times=UNDO_TRIES)
    cloud.steps.at("before", "report_attached" if name == "attach" else "unwire_one", fail)
    late.released.set()
    await agreed(cloud, server_id, *others)
    assert cloud.drivers.fired[point] == UNDO_TRIES
    await deleted(cloud, server_id)


@pytest.mark.parametrize("name", STEPS)
async def test_a_guest_that_does_not_answer_loses_it_when_it_answers_again(cloud_of: CloudOf, name: str) -> None:
    """It answers neither to the action, nor to going back, nor to the next order."""
    cloud = await cloud_of(hosts=1)
    server_id, others, _, late = await held(cloud, name)
    times = {
        "attach": {"unplug_nic": UNDO_TRIES + 1, "plug_nic": UNDO_TRIES},
        "detach": {"unplug_nic": 1, "plug_nic": 2 * UNDO_TRIES},
    }[name]
    for call, count in times.items():
        cloud.drivers.fail(f"hypervisor.{call}", times=count)
    late.fails = True
    late.released.set()
    await agreed(cloud, server_id, *others)
    assert {call: cloud.drivers.fired[f"hypervisor.{call}"] for call in times} == times
    await deleted(cloud, server_id)


@pytest.mark.parametrize("name", STEPS)
async def test_a_network_node_that_is_away_for_long_does_not_turn_it_round(cloud_of: CloudOf, name: str) -> None:
    """It can do nothing for the action, nor for going back, nor for the next order: it goes, however long that takes."""
    cloud = await cloud_of(hosts=1)
    server_id, others, _, late = await held(cloud, name)
    times = 3 * (1 + UNDO_TRIES)
    cloud.drivers.fail("network.wire", times=times)
    late.released.set()
    await agreed(cloud, server_id, *others)
    assert cloud.drivers.fired["network.wire"] == times
    await deleted(cloud, server_id)


async def test_a_port_that_could_not_be_unwired_at_once_is_unwired_later(cloud_of: CloudOf) -> None:
    """The network node refuses to plug in, and then to forget the port, as often as it is asked (seed 50072)."""
    cloud = await cloud_of(hosts=1)
    server_id, others, _, late = await held(cloud, "attach")
    cloud.drivers.fail("network.wire", times=1 + UNDO_TRIES)
    late.released.set()
    await agreed(cloud, server_id, *others)
    assert cloud.drivers.fired["network.wire"] == 1 + UNDO_TRIES
    await deleted(cloud, server_id)
