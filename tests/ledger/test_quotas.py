"""Quotas on both databases: defaults, what an admin changed, and use that is counted and so cannot drift."""

import pytest

from kilonova.errors import BadRequest, QuotaExceeded
from kilonova.ledger.ledger import Ledger
from kilonova.model.quota import ComputeQuota, ComputeUsage
from tests.ledger.small_cloud import furnish, ordered, wish


async def test_changes_are_kept_and_forgotten(ledger: Ledger) -> None:
    assert await ledger.read(lambda tx: tx.quotas.limits("p")) == ComputeQuota()
    changed = await ledger.write(lambda tx: tx.quotas.change("p", {"cores": -1, "ram": 2**31 - 1}))
    assert changed == ComputeQuota(cores=-1, ram=2**31 - 1)
    await ledger.write(lambda tx: tx.quotas.change("p", {"instances": 0}))
    assert await ledger.read(lambda tx: tx.quotas.limits("p")) == ComputeQuota(instances=0, cores=-1, ram=2**31 - 1)
    assert await ledger.read(lambda tx: tx.quotas.limits("other")) == ComputeQuota()
    with pytest.raises(BadRequest):
        await ledger.write(lambda tx: tx.quotas.change("p", {"colours": 1}))
    for _ in range(2):
        await ledger.write(lambda tx: tx.quotas.forget("p"))
    assert await ledger.read(lambda tx: tx.quotas.limits("p")) == ComputeQuota()


async def test_use_is_what_there_is(ledger: Ledger) -> None:
    await furnish(ledger)
    assert await ledger.read(lambda tx: tx.quotas.usage("p")) == ComputeUsage()
    (one,) = (await ordered(ledger, wish())).server_ids
    await ordered(ledger, wish("b"))
    assert await ledger.read(lambda tx: tx.quotas.usage("p")) == ComputeUsage(instances=2, cores=2, ram=128)
    await ledger.write(lambda tx: tx.servers.gone(one, 1.0))
    assert await ledger.read(lambda tx: tx.quotas.usage("p")) == ComputeUsage(instances=1, cores=1, ram=64)


async def test_a_sum_beyond_32_bits(ledger: Ledger) -> None:
    await furnish(ledger)
    await ordered(ledger, wish(min_count=3, max_count=3))
    await ledger.write(lambda tx: tx.connection.exec_driver_sql(f"UPDATE servers SET ram_mb = {2**31 - 1}"))
    assert (await ledger.read(lambda tx: tx.quotas.usage("p"))).ram == 3 * (2**31 - 1)


async def test_the_last_place_is_given_once_and_again_when_it_is_free(ledger: Ledger) -> None:
    await furnish(ledger)
    await ledger.write(lambda tx: tx.quotas.change("p", {"instances": 1}))
    (one,) = (await ordered(ledger, wish())).server_ids
    with pytest.raises(QuotaExceeded, match="Requested 1, but already used 1 of 1 instances"):
        await ordered(ledger, wish("b"))
    await ledger.write(lambda tx: tx.servers.gone(one, 1.0))
    await ordered(ledger, wish("c"))
