"""Lists that are sorted by yes and no have a second page too: SQLAlchemy compares no column with a bare True or False."""

import time
from functools import partial

import pytest

from kilonova.ledger.ledger import Ledger
from kilonova.ledger.transaction import Transaction
from kilonova.model.flavor import Flavor
from kilonova.model.flavor_filter import FlavorFilter
from kilonova.model.ids import FlavorId
from kilonova.model.network import Listing
from kilonova.model.network_wish import NewNetwork
from tests.ledger.small_cloud import ADMIN


@pytest.mark.parametrize("descending", [False, True])
async def test_flavors_by_is_public(ledger: Ledger, descending: bool) -> None:
    def make(tx: Transaction) -> None:
        for n in range(5):
            flavor = Flavor(id=FlavorId(str(n)), name=f"f{n}", vcpus=1, ram_mb=1, disk_gb=1, is_public=n % 2 == 0)
            tx.flavors.create(flavor, 1.0)

    def page(marker: str | None, tx: Transaction) -> list[str]:
        wanted = FlavorFilter(sort_key="is_public", descending=descending, marker=marker, limit=2)
        return [flavor.id for flavor in tx.flavors.find(wanted)]

    await ledger.write(make)
    found: list[str] = []
    while some := await ledger.read(partial(page, found[-1] if found else None)):
        found += some
    assert found == (["4", "2", "0", "3", "1"] if descending else ["1", "3", "0", "2", "4"])


@pytest.mark.parametrize("descending", [False, True])
async def test_networks_by_shared(ledger: Ledger, descending: bool) -> None:
    def make(tx: Transaction) -> None:
        for n in range(5):
            tx.networks.networks.create(NewNetwork(name=f"n{n}", shared=n % 2 == 0), ADMIN, time.time())

    def page(marker: str | None, tx: Transaction) -> list[tuple[str, bool]]:
        wanted = Listing(sort=(("shared", descending), ("name", False)), marker=marker, limit=2)
        return [(network.id, network.shared) for network in tx.networks.networks.find(wanted, ADMIN)]

    await ledger.write(make)
    found: list[tuple[str, bool]] = []
    while some := await ledger.read(partial(page, found[-1][0] if found else None)):
        found += some
    assert [shared for _, shared in found] == sorted([True, True, True, False, False], reverse=descending)
    assert len(set(found)) == 5
