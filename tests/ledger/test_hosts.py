"""Hosts and nodes in the ledger, on both databases: what is claimed adds up, and who was heard of is up."""

import time

import pytest

from kilonova.errors import Conflict, NotFound
from kilonova.ledger.audit import look
from kilonova.ledger.hosts import LISTENS_S, SILENT_AFTER_S
from kilonova.ledger.ledger import Ledger
from kilonova.ledger.transaction import Transaction
from tests.ledger.small_cloud import FLAVOR, facts, furnish


async def test_claims_add_up_and_are_given_back_once(ledger: Ledger) -> None:
    await furnish(ledger, hosts=1)
    for number in range(3):
        await ledger.write(lambda tx, number=number: tx.hosts.claim("h0", f"s{number}", FLAVOR))  # type: ignore[misc]
    (host,) = await ledger.read(lambda tx: tx.hosts.hosts())
    assert (host.servers, host.vcpus_used, host.ram_mb_used, host.disk_gb_used) == (3, 3, 192, 3)
    with pytest.raises(Conflict):
        await ledger.write(lambda tx: tx.hosts.claim("h0", "s1", FLAVOR))
    for _ in range(2):
        await ledger.write(lambda tx: tx.hosts.free("s1"))
    (host,) = await ledger.read(lambda tx: tx.hosts.hosts())
    assert (host.servers, host.vcpus_used, host.ram_mb_used, host.disk_gb_used) == (2, 2, 128, 2)
    assert await ledger.read(lambda tx: tx.hosts.claims()) == {"s0": "h0", "s2": "h0"}
    assert await ledger.read(lambda tx: (tx.hosts.has_claim("s0"), tx.hosts.has_claim("s1"))) == (True, False)


async def test_a_claim_on_a_host_nobody_knows_is_refused(ledger: Ledger) -> None:
    with pytest.raises(Conflict):
        await ledger.write(lambda tx: tx.hosts.claim("nowhere", "s", FLAVOR))


async def test_a_silent_node_is_down_with_its_hosts(ledger: Ledger) -> None:
    await furnish(ledger)
    now = time.time()
    assert [host.up for host in await ledger.read(lambda tx: tx.hosts.snapshot(now))] == [True, True]
    later = now + SILENT_AFTER_S + 1
    assert [host.up for host in await ledger.read(lambda tx: tx.hosts.snapshot(later))] == [False, False]
    assert await ledger.read(lambda tx: (tx.hosts.is_up("h0", now), tx.hosts.is_up("h0", later))) == (True, False)
    assert await ledger.read(lambda tx: (tx.hosts.network_node(now), tx.hosts.network_node(later))) == ("wires", None)
    await ledger.write(lambda tx: tx.hosts.heard_of("metal", "compute", later))
    assert [host.up for host in await ledger.read(lambda tx: tx.hosts.snapshot(later))] == [True, True]
    assert await ledger.read(lambda tx: tx.hosts.is_up("nowhere", now)) is False


async def test_silence_that_control_could_not_hear_does_not_count(ledger: Ledger) -> None:
    """Control was away for an hour, and right after it comes a create: no node has had time to be heard of."""
    await furnish(ledger)
    away = time.time()
    back = away + 3600
    for node, role in (("metal", "compute"), ("wires", "network"), ("cellar", "volume")):
        await ledger.write(lambda tx, node=node, role=role: tx.hosts.heard_of(node, role, away - 20))  # type: ignore[misc]
    await ledger.write(lambda tx: tx.hosts.heard_of("dead", "network", away - SILENT_AFTER_S))
    await ledger.write(lambda tx: tx.hosts.listens("control", away))
    assert await ledger.read(lambda tx: _up(tx, away)) == _up_of("metal", "wires", "cellar")
    assert await ledger.read(lambda tx: _up(tx, back)) == _up_of("metal", "wires", "cellar"), "before its first heartbeat"
    await ledger.write(lambda tx: tx.hosts.listens("control", back))
    assert await ledger.read(lambda tx: _up(tx, back)) == _up_of("metal", "wires", "cellar"), "after it"
    await ledger.write(lambda tx: tx.hosts.heard_of("wires", "network", back + 1))
    later = back + SILENT_AFTER_S - LISTENS_S
    for seconds in range(0, int(SILENT_AFTER_S), 20):
        await ledger.write(lambda tx, seconds=seconds: tx.hosts.listens("control", back + seconds))  # type: ignore[misc]
    assert await ledger.read(lambda tx: _up(tx, later)) == _up_of("wires"), "who stays silent now is down"


def _up(tx: Transaction, now: float) -> dict[str, bool]:
    """Each host's node, the network node that is chosen, and each volume node: whether it counts as up."""
    compute = {"metal": tx.hosts.is_up("h0", now) and all(host.up for host in tx.hosts.snapshot(now))}
    volumes = {node.name: node.up for node in tx.volumes.nodes.all(now)}
    told = dict(look(tx.connection, now).nodes)
    return {**compute, "wires": tx.hosts.network_node(now) == "wires" and "wires" in told, **volumes, "dead": "dead" in told}


def _up_of(*names: str) -> dict[str, bool]:
    return {name: name in names for name in ("metal", "wires", "cellar", "dead")}


async def test_measured_again_it_keeps_its_ids_its_claims_and_its_switch(ledger: Ledger) -> None:
    await furnish(ledger, hosts=1)
    await ledger.write(lambda tx: tx.hosts.claim("h0", "s", FLAVOR))
    (role,) = [role for role in await ledger.read(lambda tx: tx.hosts.roles()) if role.binary == "nova-compute"]
    off = await ledger.write(lambda tx: tx.hosts.set_enabled(role.id, False, "broken fan"))
    assert (off.enabled, off.disabled_reason, off.id) == (False, "broken fan", role.id)
    (before,) = await ledger.read(lambda tx: tx.hosts.hosts())
    await ledger.write(lambda tx: tx.hosts.measured("metal", facts("h0", vcpus=128, ram_mb=2**31 - 1), 5.0))
    (after,) = await ledger.read(lambda tx: tx.hosts.hosts())
    assert (after.id, after.vcpus, after.ram_mb, after.vcpus_used, after.enabled) == (before.id, 128, 2**31 - 1, 1, False)
    on = await ledger.write(lambda tx: tx.hosts.set_enabled(role.id, True, None))
    assert (on.enabled, on.disabled_reason) == (True, None)
    with pytest.raises(NotFound):
        await ledger.write(lambda tx: tx.hosts.set_enabled("nobody", True, None))


async def test_which_node_serves_which_host(ledger: Ledger) -> None:
    await furnish(ledger)
    assert await ledger.read(lambda tx: (tx.hosts.node_of("h1"), tx.hosts.node_of("nowhere"))) == ("metal", None)
    assert sorted(await ledger.read(lambda tx: tx.hosts.of_node("metal"))) == ["h0", "h1"]
    assert sorted(await ledger.read(lambda tx: tx.hosts.nodes())) == [("metal", "compute"), ("wires", "network")]
    binaries = sorted(role.binary for role in await ledger.read(lambda tx: tx.hosts.roles()))
    assert binaries == ["kilonova-network", "nova-compute", "nova-compute"]
