"""Server groups and users' quotas in an order: who joins what, where they go, and what is refused; on both databases."""

import pytest

from kilonova.errors import BadRequest, NotFound, QuotaExceeded
from kilonova.ledger.ledger import Ledger
from kilonova.ledger.transaction import Transaction
from kilonova.model.ids import new_uuid
from kilonova.model.server import ACTIVE, ERROR
from kilonova.model.server_group import ServerGroup
from tests.ledger.small_cloud import MEMBER, furnish, ordered, wish


async def a_group(ledger: Ledger, policy: str, project: str = "p") -> str:
    new = ServerGroup(id=new_uuid(), project_id=project, user_id="u", name="g", policy=policy, created_at=1.0)
    return (await ledger.write(lambda tx: tx.server_groups.create(new))).id


async def hosts_of(ledger: Ledger, ids: tuple[str, ...]) -> list[str | None]:
    return [one.host if one else None for one in [await ledger.read(lambda tx, i=i: tx.servers.whatever(i)) for i in ids]]  # type: ignore[misc]


async def test_apart_and_together(ledger: Ledger) -> None:
    await furnish(ledger, hosts=2)
    apart = await a_group(ledger, "anti-affinity")
    made = await ordered(ledger, wish("apart", hints={"group": apart}, min_count=3, max_count=3, networks=()))
    hosts = await hosts_of(ledger, made.server_ids)
    assert sorted(map(str, hosts)) == ["None", "h0", "h1"], "two hosts take one each, the third server finds none"
    states = [(await ledger.read(lambda tx, i=i: tx.servers.get(i, "p"))).vm_state for i in made.server_ids]  # type: ignore[misc]
    assert states.count(ERROR) == 1 and ACTIVE not in states
    group = await ledger.read(lambda tx: tx.server_groups.get(apart, "p"))
    assert group.members == made.server_ids
    near = await a_group(ledger, "affinity")
    made = await ordered(ledger, wish("near", hints={"group": near}, min_count=3, max_count=3, networks=()))
    assert len(set(await hosts_of(ledger, made.server_ids))) == 1
    beside = await ordered(ledger, wish("beside", hints={"same_host": [made.server_ids[0]]}, networks=()))
    assert await hosts_of(ledger, beside.server_ids) == (await hosts_of(ledger, made.server_ids))[:1]
    away = await ordered(ledger, wish("away", hints={"different_host": made.server_ids[0]}, networks=()))
    assert await hosts_of(ledger, away.server_ids) != await hosts_of(ledger, beside.server_ids)


async def test_a_group_that_is_none_or_full(ledger: Ledger) -> None:
    await furnish(ledger)
    for group in (new_uuid(), await a_group(ledger, "affinity", "other")):
        with pytest.raises(BadRequest):
            await ordered(ledger, wish("x", hints={"group": group}, networks=()))
    mine = await a_group(ledger, "soft-affinity")
    await ledger.write(lambda tx: tx.quotas.change("p", {"server_group_members": 2}))
    made = await ordered(ledger, wish("a", hints={"group": mine}, min_count=2, max_count=2, networks=()))
    with pytest.raises(QuotaExceeded):
        await ordered(ledger, wish("b", hints={"group": mine}, networks=()))

    def one_goes(tx: Transaction) -> None:
        tx.servers.gone(made.server_ids[0], 9.0)

    await ledger.write(one_goes)
    await ordered(ledger, wish("b", hints={"group": mine}, networks=()))
    await ledger.write(lambda tx: tx.server_groups.delete(mine, "p"))
    with pytest.raises(NotFound):
        await ledger.read(lambda tx: tx.server_groups.get(mine, None))


async def test_a_user_has_no_more_than_its_share(ledger: Ledger) -> None:
    await furnish(ledger)
    await ledger.write(lambda tx: tx.quotas.change_of_user("p", MEMBER.user_id, {"instances": 1}))
    await ordered(ledger, wish("a", networks=()))
    with pytest.raises(QuotaExceeded):
        await ordered(ledger, wish("b", networks=()))
    await ledger.write(lambda tx: tx.quotas.forget_user("p", MEMBER.user_id))
    await ordered(ledger, wish("b", networks=()))


async def test_zones_of_aggregates(ledger: Ledger) -> None:
    await furnish(ledger, hosts=2)
    east = await ledger.write(lambda tx: tx.aggregates.create("a", "east", 1.0))
    await ledger.write(lambda tx: tx.aggregates.add_host(east.id, "h1", 2.0))
    made = await ordered(ledger, wish("there", availability_zone="east", networks=()))
    assert await hosts_of(ledger, made.server_ids) == ["h1"]
    server = await ledger.read(lambda tx: tx.servers.get(made.server_ids[0], None))
    assert server.availability_zone == "east"
    again = await ledger.write(lambda tx: tx.aggregates.create("b", None, 3.0))
    assert again.id == east.id + 1
