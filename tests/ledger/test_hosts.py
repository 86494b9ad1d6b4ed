"""Hosts and nodes in the ledger, on both databases: what is claimed adds up, and who was heard of is up."""

import time

import pytest

from kilonova.errors import Conflict, NotFound
from kilonova.ledger.hosts import SILENT_AFTER_S
from kilonova.ledger.ledger import Ledger
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
