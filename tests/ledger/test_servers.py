"""Servers in the ledger, on both databases: what is kept, and lists in every order with values that may be missing."""

import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
import pytest

from kilonova.errors import BadRequest, NotFound
from kilonova.ledger.ledger import Ledger
from kilonova.ledger.transaction import Transaction
from kilonova.model.server import Fault, Server, ServerFilter
from kilonova.model.usage import Period
from tests.ledger.small_cloud import FLAVOR, MEMBER, furnish, ordered, wish

FAULT = Fault(code=500, message="it broke", created_at=9.0, details="on host h1")


async def some(ledger: Ledger, count: int, **more: Any) -> list[str]:
    await furnish(ledger)
    return [(await ordered(ledger, wish(f"vm{n}", networks=(), **more))).server_ids[0] for n in range(count)]


async def names(ledger: Ledger, **wanted: Any) -> list[str]:
    found = await ledger.read(lambda tx: tx.servers.find(ServerFilter(**wanted)))
    return [server.name for server in found]


async def get(ledger: Ledger, server_id: str) -> Server:
    return await ledger.read(lambda tx: tx.servers.get(server_id, "p"))


async def test_a_server_is_kept_as_it_was_asked_for(ledger: Ledger) -> None:
    said: dict[str, Any] = {
        "metadata": {"ünï": "☃"},
        "tags": ("b", "a"),
        "description": "d" * 255,
        "user_data": "A" * 65535,
        "idempotency_key": "k",
    }
    (server_id,) = await some(ledger, 1, **said)
    server = await get(ledger, server_id)
    assert (server.status, server.task_state, server.power_state) == ("BUILD", "scheduling", 0)
    assert (server.metadata, server.tags, server.description) == ({"ünï": "☃"}, ("b", "a"), "d" * 255)
    assert server.user_data == "A" * 65535 and server.flavor == FLAVOR and server.host in ("h0", "h1")
    assert server.availability_zone == "nova" and server.launched_at is None and server.fault is None
    assert await ledger.read(lambda tx: tx.servers.by_idempotency_key("p", "k")) == [server_id]
    assert await ledger.read(lambda tx: tx.servers.by_idempotency_key("other", "k")) == []


async def test_what_is_anothers_or_gone_is_not_there(ledger: Ledger) -> None:
    (server_id,) = await some(ledger, 1)
    with pytest.raises(NotFound):
        await ledger.read(lambda tx: tx.servers.get(server_id, "other"))
    assert (await ledger.read(lambda tx: tx.servers.get(server_id, None))).id == server_id
    await ledger.write(lambda tx: tx.servers.gone(server_id, 5.0))
    with pytest.raises(NotFound):
        await get(ledger, server_id)
    remembered = await ledger.read(lambda tx: tx.servers.whatever(server_id))
    assert remembered is not None and (remembered.status, remembered.deleted_at) == ("DELETED", 5.0)
    assert await names(ledger) == [] and await names(ledger, deleted=True) == ["vm0"]
    assert await ledger.read(lambda tx: tx.servers.on_host(remembered.host or "")) == []


async def test_its_life(ledger: Ledger) -> None:
    (server_id,) = await some(ledger, 1)
    await ledger.write(lambda tx: tx.servers.set_task(server_id, "spawning", 2.0))
    assert (await get(ledger, server_id)).task_state == "spawning"
    await ledger.write(lambda tx: tx.servers.runs(server_id, 3.0))
    server = await get(ledger, server_id)
    assert (server.status, server.task_state, server.launched_at, server.progress) == ("ACTIVE", None, 3.0, 100)
    await ledger.write(lambda tx: tx.servers.power_is(server_id, "stopped", 4, 4.0))
    assert (await get(ledger, server_id)).status == "SHUTOFF"
    await ledger.write(lambda tx: tx.servers.fails(server_id, FAULT))
    server = await get(ledger, server_id)
    assert (server.status, server.fault, server.updated_at) == ("ERROR", FAULT, 9.0)
    await ledger.write(lambda tx: tx.servers.deleting(server_id, 5.0))
    assert await ledger.read(lambda tx: tx.servers.is_deleting(server_id))


async def test_of_attempt_is_the_current_one_only(ledger: Ledger) -> None:
    (server_id,) = await some(ledger, 1)
    assert await ledger.read(lambda tx: tx.servers.attempt(server_id)) == 1
    assert await ledger.read(lambda tx: tx.servers.of_attempt(server_id, 1)) is not None
    assert await ledger.read(lambda tx: tx.servers.of_attempt(server_id, 2)) is None
    assert await ledger.read(lambda tx: tx.servers.attempt("nobody")) == 0


async def test_renaming_changes_what_is_said_and_nothing_else(ledger: Ledger) -> None:
    (server_id,) = await some(ledger, 1, description="old")
    before = await get(ledger, server_id)
    await ledger.write(lambda tx: tx.servers.rename(server_id, name="new", description=None, hostname=None, now=7.0))
    assert await get(ledger, server_id) == msgspec.structs.replace(before, name="new", updated_at=7.0)
    await ledger.write(lambda tx: tx.servers.rename(server_id, name=None, description="", hostname="h", now=8.0))
    assert (await get(ledger, server_id)).description is None


SORTED = ("launched_at", "key_name", "display_name", "created_at", "task_state", "availability_zone", "locked")


@pytest.mark.parametrize("key", SORTED)
async def test_pages_in_every_order_leave_out_nobody(ledger: Ledger, key: str) -> None:
    """Half of the values are missing, and many are alike: nothing sorts lowest, on both databases."""
    ids = await some(ledger, 7)

    def spread(tx: Transaction) -> None:
        for number, server_id in enumerate(ids):
            if number % 2:
                tx.servers.runs(server_id, float(number // 3))

    await ledger.write(spread)
    for direction, second in itertools.product(("asc", "desc"), repeat=2):
        sort = ((key, direction), ("launch_index", second))
        whole = await ledger.read(partial(_find, ServerFilter(sort=sort)))
        assert sorted(one.id for one in whole) == sorted(ids)
        if key == "launched_at":
            values = [one.launched_at for one in whole]
            lowest = [v for v in values if v is None]
            assert values[: len(lowest)] == lowest if direction == "asc" else values[-len(lowest) :] == lowest
        paged: list[str] = []
        while page := await _page(ledger, sort, paged[-1] if paged else None):
            paged += page
        assert paged == [one.id for one in whole], (key, direction, second)


async def _page(ledger: Ledger, sort: Any, marker: str | None) -> list[str]:
    found = await ledger.read(partial(_find, ServerFilter(sort=sort, marker=marker, limit=2)))
    return [server.id for server in found]


def _find(wanted: ServerFilter, tx: Transaction) -> Sequence[Server]:
    return tx.servers.find(wanted)


async def test_filters(ledger: Ledger) -> None:
    ids = await some(ledger, 3, tags=("red",), metadata={"a": "b"})
    await ledger.write(lambda tx: tx.servers.runs(ids[1], 2.0))
    await ledger.write(lambda tx: tx.servers.set_tags(ids[2], ["red", "blue"], 2.0))
    by_name = {"sort": (("display_name", "asc"),)}
    assert await names(ledger, patterns=(("name", "m1"),), **by_name) == ["vm1"]
    assert await names(ledger, patterns=(("name", "vm[02]"),), **by_name) == ["vm0", "vm2"]
    assert await names(ledger, patterns=(("name", "("),), **by_name) == []
    assert await names(ledger, patterns=(("name", "v_1"),), **by_name) == [], "an underscore is no wildcard"
    assert await names(ledger, statuses=("ACTIVE",)) == ["vm1"]
    assert await names(ledger, statuses=("nonsense",)) == []
    assert await names(ledger, tags_all=("red", "blue")) == ["vm2"]
    assert await names(ledger, tags_any=("green", "blue")) == ["vm2"]
    assert await names(ledger, ids=(ids[0], ids[2]), **by_name) == ["vm0", "vm2"]
    assert await names(ledger, project_id="other") == []
    assert await names(ledger, config_drive=True) == [] and len(await names(ledger, config_drive=False)) == 3
    for wanted in ({"sort": (("password", "asc"),)}, {"marker": "nobody"}):
        with pytest.raises(BadRequest):
            await names(ledger, **wanted)


async def test_by_address(ledger: Ledger) -> None:
    network = await furnish(ledger)
    made = await ordered(ledger, wish("on-wire"))
    seen = await ledger.read(lambda tx: tx.servers.addresses(made.server_ids))
    (address,) = seen[made.server_ids[0]]
    assert await names(ledger, ip=address.ip.replace(".", r"\.")) == ["on-wire"]
    assert await names(ledger, ip="192") == [] and network and MEMBER.project_id == "p"


async def test_more_filters(ledger: Ledger) -> None:
    ids = await some(ledger, 3, tags=("red",))
    await ledger.write(lambda tx: tx.servers.runs(ids[1], 5000.5))
    await ledger.write(lambda tx: tx.servers.set_locked(ids[2], True, "why", 2.0, "admin"))
    await ledger.write(lambda tx: tx.servers.set_tags(ids[2], ["red", "blue"], 2.0))
    by_name = {"sort": (("display_name", "asc"),)}
    assert await names(ledger, not_tags_all=("red", "blue"), **by_name) == ["vm0", "vm1"]
    assert await names(ledger, not_tags_any=("blue", "green"), **by_name) == ["vm0", "vm1"]
    assert await names(ledger, locked=True) == ["vm2"]
    assert (await get(ledger, ids[2])).locked_by == "admin"
    assert await names(ledger, moments=(("launched_at", 5000.0),)) == ["vm1"]
    assert await names(ledger, progress=100) == ["vm1"] and await names(ledger, progress=50) == []
    assert await names(ledger, patterns=(("power_state", "^1$"),)) == ["vm1"]
    assert await names(ledger, task_states=("scheduling",), **by_name) == ["vm0", "vm2"]
    assert await names(ledger, statuses=("BUILD", "ACTIVE"), **by_name) == ["vm0", "vm1", "vm2"]
    await ledger.write(lambda tx: tx.servers.set_task(ids[1], "rebooting", 6000.0))
    assert await names(ledger, statuses=("REBOOT",)) == ["vm1"] and await names(ledger, statuses=("ACTIVE",)) == []
    await ledger.write(lambda tx: tx.servers.gone(ids[0], 7000.0))
    assert await names(ledger, deleted=True) == ["vm0"] and len(await names(ledger, deleted=None)) == 3


async def test_what_ran_in_a_period(ledger: Ledger) -> None:
    ids = await some(ledger, 3)
    for server_id in ids[:2]:
        await ledger.write(partial(_runs, server_id))
    await ledger.write(lambda tx: tx.servers.gone(ids[0], 200.0))

    async def active(start: float, end: float, marker: str | None = None, limit: int = 10) -> list[str]:
        return [one.id for one in await ledger.read(lambda tx: tx.servers.active_in(Period(start, end), None, marker, limit))]

    assert set(await active(150.0, 300.0)) == set(ids[:2]), "the third has never run"
    assert await active(250.0, 300.0) == [ids[1]]
    assert await active(0.0, 50.0) == []
    first, second = sorted(ids[:2])
    assert await active(150.0, 300.0, limit=1) == [first] and await active(150.0, 300.0, first) == [second]
    with pytest.raises(BadRequest):
        await active(0.0, 1.0, "nobody")


def _runs(server_id: str, tx: Transaction) -> None:
    tx.servers.runs(server_id, 100.0)
