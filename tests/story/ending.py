"""How every story must end, whatever went wrong in it: ACTIVE or ERROR with a reason, then deleted, and nothing left."""

import re

from kilonova.model.server import Server
from kilonova.sim import SimulatedCloud

INSIDE = re.compile(r"sim-\d|compute-\d|/tmp|Traceback|Error\(")
"""What an owner must never read: hosts, nodes, paths, Python."""


async def built(cloud: SimulatedCloud, server_id: str) -> Server:
    """It runs, and everything fits."""
    server = await cloud.wait_for(server_id, "ACTIVE", "ERROR")
    assert server.status == "ACTIVE", server.fault
    assert await cloud.clean() == []
    return server


async def failed(cloud: SimulatedCloud, server_id: str) -> Server:
    """It does not, and says why in words for its owner; everything fits."""
    server = await cloud.wait_for(server_id, "ACTIVE", "ERROR")
    assert server.status == "ERROR"
    assert server.fault is not None
    assert len(server.fault.message) > 20
    assert not INSIDE.search(server.fault.message), server.fault.message
    assert await cloud.clean() == []
    return server


async def deleted(cloud: SimulatedCloud, server_id: str) -> None:
    """Deleted by its owner (also a second time), and nothing of it is left anywhere."""
    assert await cloud.delete(server_id) in (204, 404)
    await cloud.wait_for(server_id, "DELETED")
    assert await cloud.clean() == []
    for role in cloud.computes.values():
        for hands in role.node.hosts.values():
            assert not await hands.hypervisor.guests()
            assert not await hands.disks.inventory()
    assert not await cloud.network.node.network.inventory()
    claims, ports = await cloud.ledger.read(lambda tx: (tx.hosts.claims(), tx.servers.addresses([server_id])))
    assert not claims
    assert not ports.get(server_id)
