"""Orders and news: sent until the node has spoken, sent again after a silence, and nothing goes that was not sent."""

import threading
from typing import Any

import msgspec
import pytest

from kilonova.build.record import Placed
from kilonova.ledger.ledger import Ledger, PostgresLedger
from kilonova.ledger.transaction import Transaction
from kilonova.lifecycle.remove import Removal
from tests.ledger.small_cloud import furnish, ordered, place_order, wish


async def unsent(ledger: Ledger) -> list[str]:
    return [row.id for row in await ledger.read(lambda tx: tx.orders.unsent(99))]


async def test_an_order_lives_until_its_last_word(ledger: Ledger) -> None:
    await furnish(ledger)
    (server_id,) = (await ordered(ledger, wish())).server_ids
    name = f"{server_id}/1/build"
    (row,) = await ledger.read(lambda tx: tx.orders.unsent(99))
    placed = msgspec.msgpack.decode(row.body, type=Placed)
    assert (row.id, row.kind, row.sent, row.host) == (name, "build", 0, placed.host)
    assert await ledger.read(lambda tx: tx.orders.placed(server_id)) == placed and len(placed.ports) == 1

    await ledger.write(lambda tx: tx.orders.sent([name], [], 100.0))
    assert await unsent(ledger) == [] and await ledger.read(lambda tx: tx.orders.open_servers()) == {server_id}
    for before, late in ((100.0, False), (100.5, True)):
        assert await ledger.read(lambda tx, before=before: tx.orders.due(0.0, before)) == (False, late, False)  # type: ignore[misc]
    assert await ledger.write(lambda tx: tx.orders.send_again(100.5)) == 1
    (again,) = await ledger.read(lambda tx: tx.orders.unsent(99))
    assert (again.id, again.sent) == (name, 1), "a second sending has a number of its own"
    assert await ledger.write(lambda tx: tx.orders.send_again(1e12)) == 0

    for now, over in ((placed.deadline, False), (placed.deadline + 1, True)):
        assert await ledger.read(lambda tx, now=now: tx.orders.due(now, 0.0)) == (over, False, False)  # type: ignore[misc]
    assert await ledger.read(lambda tx: tx.orders.overdue(placed.deadline)) == []
    assert await ledger.read(lambda tx: tx.orders.overdue(placed.deadline + 1)) == [placed]
    for _ in range(2):
        await ledger.write(lambda tx: tx.orders.answered(server_id, 1))
    assert await ledger.read(lambda tx: (tx.orders.placed(server_id), tx.orders.open_servers())) == (None, set())


async def test_a_removal_may_be_ordered_twice(ledger: Ledger) -> None:
    await furnish(ledger)
    (server_id,) = (await ordered(ledger, wish())).server_ids
    server = await ledger.read(lambda tx: tx.servers.get(server_id, None))
    for _ in range(2):
        await ledger.write(lambda tx: tx.orders.queue_removal(server, 1, "metal", "why"))
    rows = [row for row in await ledger.read(lambda tx: tx.orders.unsent(99)) if row.kind == "remove"]
    removal = msgspec.msgpack.decode(rows[0].body, type=Removal)
    assert len(rows) == 1 and (removal.node, removal.network_node, removal.reason) == ("metal", "wires", "why")
    await ledger.write(lambda tx: tx.orders.removed(server_id, 1))
    assert await unsent(ledger) == [f"{server_id}/1/build"]


async def test_news_goes_when_it_was_told_and_in_order(ledger: Ledger) -> None:
    def announce(tx: Transaction) -> None:
        for number in range(5):
            tx.orders.announce(f"event-{number}", "s", {"number": number, "ünï": None})

    await ledger.write(announce)
    rows: Any = await ledger.read(lambda tx: tx.orders.unsent_news(3))
    assert [(row.event, row.payload["number"]) for row in rows] == [(f"event-{n}", n) for n in range(3)]
    await ledger.write(lambda tx: tx.orders.sent([], [row.id for row in rows], 1.0))
    assert [row.event for row in await ledger.read(lambda tx: tx.orders.unsent_news(9))] == ["event-3", "event-4"]
    await ledger.write(lambda tx: tx.orders.sent([], [], 1.0))
    assert len(await ledger.read(lambda tx: tx.orders.unsent_news(9))) == 2


@pytest.mark.wire
async def test_news_that_is_committed_late_is_not_lost(filled_postgres_url: str) -> None:
    """Two at once on PostgreSQL: the one that began first, and has the lower number, is committed last."""
    ledger = PostgresLedger(filled_postgres_url)
    written, go_on = threading.Event(), threading.Event()

    def early(tx: Transaction) -> None:
        tx.orders.announce("early", "s", {})
        written.set()
        assert go_on.wait(30)

    with_early = ledger._writers.submit(ledger._run, ledger._engine, early)
    assert written.wait(30)
    await ledger.write(lambda tx: tx.orders.announce("late", "s", {}))
    (late,) = await ledger.read(lambda tx: tx.orders.unsent_news(9))
    go_on.set()
    with_early.result(30)
    await ledger.write(lambda tx: tx.orders.sent([], [late.id], 1.0))
    (left,) = await ledger.read(lambda tx: tx.orders.unsent_news(9))
    assert (late.event, left.event) == ("late", "early") and left.id < late.id
    await ledger.close()


async def test_one_order_for_many_servers(ledger: Ledger) -> None:
    await furnish(ledger)
    made = await ledger.write(lambda tx: place_order(tx, wish(min_count=2, max_count=5)))
    assert len(set(made.server_ids)) == 5 == len(await unsent(ledger))
    names = [server.name for server in await ledger.read(lambda tx: [tx.servers.get(one, None) for one in made.server_ids])]
    assert names == [f"vm-{n}" for n in range(1, 6)]
