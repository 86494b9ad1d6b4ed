"""What simulation has found, as stories that do not depend on a seed."""

import asyncio
import time
from functools import partial
from typing import Any

from kilonova.drivers.hypervisor.simulated import SimulatedHypervisor
from kilonova.drivers.network.simulated import SimulatedNetwork
from kilonova.ledger.transaction import Transaction
from kilonova.model import server as states
from kilonova.model.ids import HostName, ServerId
from kilonova.sim.seeded import SeededCloud
from tests.sim.conftest import Calm
from tests.story.deeds import blank_volume

SILENT_S = 100.0
"""Long enough for a node to count as silent."""


def readiness(tx: Transaction) -> str | None:
    return tx.hosts.network_node(time.time())


def test_a_first_interface_is_plugged_in_while_the_network_node_is_silent(calm: Calm) -> None:
    """Seed 225: the order named no network node, since the server was built without one."""

    async def story(cloud: SeededCloud) -> None:
        server_id = await cloud.build(networks="none")
        await cloud.wait_for(server_id, "ACTIVE")
        cloud.strike_down("network", SILENT_S + 20)
        await asyncio.sleep(SILENT_S)
        path = f"/compute/v2.1/servers/{server_id}/os-interface"
        answer = await cloud.send("POST", path, {"interfaceAttachment": {}})
        assert answer.status_code == 200, answer.text
        assert (await cloud.ledger.read(readiness)) is None

        async def attached() -> bool:
            shown = (await cloud.send("GET", path)).json()["interfaceAttachments"]
            return [one["port_state"] for one in shown] == ["ACTIVE"]

        await cloud.until(attached, "the port")
        assert await cloud.network.node.network.inventory() == {server_id}
        assert await cloud.clean() == []

    calm(story)


def test_a_guest_that_crashes_in_rescue_is_known_to_be_off(calm: Calm) -> None:
    """Seed 511: the ledger said for ever that it runs."""

    async def story(cloud: SeededCloud) -> None:
        server_id = await cloud.build()
        await cloud.wait_for(server_id, "ACTIVE")
        answer = await cloud.send("POST", f"/compute/v2.1/servers/{server_id}/action", {"rescue": None})
        assert answer.status_code == 200, answer.text
        await cloud.wait_for(server_id, "RESCUE")
        await asyncio.sleep(30)
        (hands,) = cloud.computes["compute-1"].node.hosts.values()
        assert isinstance(hands.hypervisor, SimulatedHypervisor)
        hands.hypervisor.end_by_itself(ServerId(server_id), "crashed")

        async def known() -> bool:
            return (await cloud.server(server_id)).power_state == states.POWER_CRASHED

        await cloud.until(known, "the ledger to know", 60)
        assert (await cloud.server(server_id)).status == "RESCUE"
        answer = await cloud.send("POST", f"/compute/v2.1/servers/{server_id}/action", {"unrescue": None})
        assert answer.status_code == 202, answer.text
        await cloud.wait_for(server_id, "ACTIVE")
        assert await cloud.clean() == []

    calm(story)


def test_a_volume_that_its_node_was_away_for_is_attached_and_detached_when_it_is_back(calm: Calm) -> None:
    """Seed 2011: the volume of a server that ran was in use for ever, and in no guest."""
    limit_s = 60.0

    async def story(cloud: SeededCloud) -> None:
        server_id, volume_id = await cloud.build(), await blank_volume(cloud)
        await cloud.wait_for(server_id, "ACTIVE")
        path = f"/compute/v2.1/servers/{server_id}/os-volume_attachments"

        async def served() -> bool:
            return volume_id in await cloud.volume.node.store.exports()

        async def is_so(status: str) -> bool:
            volume = await cloud.ledger.read(lambda tx: tx.volumes.volumes.get(volume_id))
            return volume.status == status and await served() == (status == "in-use")

        asked = {"volumeAttachment": {"volumeId": volume_id}}
        for method, where, body, ends in (("POST", path, asked, "in-use"), ("DELETE", f"{path}/{volume_id}", None, "available")):
            before = await served()
            cloud.strike_down("compute-1", 3 * limit_s)
            await asyncio.sleep(1)
            answer = await cloud.send(method, where, body)
            assert answer.is_success, answer.text
            await asyncio.sleep(2.5 * limit_s)
            assert await served() == before, "its node is away"
            actions = await cloud.ledger.read(lambda tx: tx.servers.actions(server_id))
            assert "was not over within its time" in (actions[0].message or "")
            assert (await cloud.ledger.read(lambda tx: tx.volumes.volumes.get(volume_id))).status == "in-use"
            await cloud.until(partial(is_so, ends), f"the volume to be {ends}")
        assert await cloud.clean() == []

    calm(story, action_limit_s=limit_s)


def test_a_nic_that_its_node_was_away_for_is_plugged_in_and_pulled_out_when_it_is_back(calm: Calm) -> None:
    """As with a volume: the node finds the order when its time is over, and carries it out only where it is asked again."""
    limit_s = 60.0

    async def story(cloud: SeededCloud) -> None:
        server_id = await cloud.build()
        await cloud.wait_for(server_id, "ACTIVE")
        path = f"/compute/v2.1/servers/{server_id}/os-interface"
        attached: dict[str, Any] = {"interfaceAttachment": {}}

        def has() -> set[frozenset[str]]:
            hypervisor = cloud.computes["compute-1"].node.hosts[HostName("sim-1")].hypervisor
            network = cloud.network.node.network
            assert isinstance(hypervisor, SimulatedHypervisor) and isinstance(network, SimulatedNetwork)
            return {frozenset(hypervisor.plugged(ServerId(server_id))), frozenset(network.ports(ServerId(server_id)))}

        async def is_so(count: int) -> bool:
            ports = await cloud.ledger.read(lambda tx: tx.networks.server_ports_of(server_id))
            return len(ports) == count and has() == {frozenset(port.id for port in ports)}

        (first,) = await cloud.ledger.read(lambda tx: tx.networks.server_ports_of(server_id))
        for method, where, body, ends in (("POST", path, attached, 2), ("DELETE", f"{path}/{first.id}", None, 1)):
            before = has()
            cloud.strike_down("compute-1", 3 * limit_s)
            await asyncio.sleep(1)
            answer = await cloud.send(method, where, body)
            assert answer.is_success, answer.text
            await asyncio.sleep(2.5 * limit_s)
            assert has() == before, "its node is away"
            actions = await cloud.ledger.read(lambda tx: tx.servers.actions(server_id))
            assert "was not over within its time" in (actions[0].message or "")
            assert len(await cloud.ledger.read(lambda tx: tx.networks.server_ports_of(server_id))) == 2
            await cloud.until(partial(is_so, ends), f"{ends} NICs")
        assert await cloud.clean() == []

    calm(story, action_limit_s=limit_s)
