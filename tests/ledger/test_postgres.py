"""What differs between one writer and many: races, retries, lost connections, and values PostgreSQL is strict about."""

import asyncio
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from kilonova.errors import BadRequest, Conflict, QuotaExceeded, Unavailable
from kilonova.ledger.engine import open_engine
from kilonova.ledger.ledger import Ledger, PostgresLedger
from kilonova.ledger.migrate import prepare
from kilonova.ledger.transaction import Transaction
from kilonova.model.flavor import Flavor
from kilonova.model.ids import FlavorId
from kilonova.model.quota import ComputeQuota
from tests.ledger.postgres import Postgres
from tests.ledger.small_cloud import FLAVOR, furnish, ordered, place_order, wish

WITHIN_S = 60


@pytest.fixture
async def postgres(filled_postgres_url: str) -> AsyncIterator[PostgresLedger]:
    ledger = PostgresLedger(filled_postgres_url)
    yield ledger
    await ledger.close()


async def test_fifty_at_once_against_a_quota_of_ten(ledger: Ledger) -> None:
    """The whole order transaction, exact on both databases."""
    network_id = await furnish(ledger)
    tried: Counter[str] = Counter()

    async def one(number: int) -> Any:
        def write(tx: Transaction) -> Any:
            tried[str(number)] += 1
            return place_order(tx, wish(f"vm{number}"))

        return await ledger.write(write)

    told = await asyncio.gather(*(one(number) for number in range(50)), return_exceptions=True)
    made = [one for one in told if not isinstance(one, BaseException)]
    kinds = Counter(type(one).__name__ for one in told if isinstance(one, BaseException))
    print(f"{len(made)} made, {kinds}; run {sum(tried.values())} times, one of them {max(tried.values())}")
    assert len(made) == ComputeQuota().instances and kinds == {QuotaExceeded.__name__: 40}

    def look(tx: Transaction) -> tuple[Any, ...]:
        ids = [one.server_ids[0] for one in made]
        addresses = [address.ip for many in tx.networks.ports_of_servers(ids).values() for address in many]
        claimed = Counter(tx.hosts.claims().values())
        hosts = {host.name: (host.servers, host.vcpus_used) for host in tx.hosts.hosts()}
        return addresses, claimed, hosts, tx.orders.unsent(99), tx.quotas.usage("p")

    addresses, claimed, hosts, unsent, usage = await ledger.read(look)
    assert len(addresses) == len(set(addresses)) == len(unsent) == 10 and usage.instances == 10
    assert hosts == {name: (count, count) for name, count in claimed.items()} and sum(claimed.values()) == 10
    assert network_id


@pytest.mark.wire
async def test_two_control_processes_share_one_quota(postgres: PostgresLedger, filled_postgres_url: str) -> None:
    await furnish(postgres)
    other = PostgresLedger(filled_postgres_url)
    try:
        wishes = (ordered((postgres, other)[number % 2], wish(f"vm{number}")) for number in range(40))
        told = await asyncio.gather(*wishes, return_exceptions=True)
    finally:
        await other.close()
    assert Counter(type(one).__name__ for one in told) == {"Ordered": 10, QuotaExceeded.__name__: 30}


async def test_the_same_key_a_dozen_times_at_once_makes_one_server(ledger: Ledger) -> None:
    await furnish(ledger)
    told = await asyncio.gather(*(ordered(ledger, wish(idempotency_key="once")) for _ in range(12)))
    assert len({one.server_ids for one in told}) == 1
    assert (await ledger.read(lambda tx: tx.quotas.usage("p"))).instances == 1


async def test_many_who_make_the_same_name_are_told_so_but_one(ledger: Ledger) -> None:
    def make(tx: Transaction) -> None:
        tx.flavors.create(Flavor(id=FlavorId("x"), name="x", vcpus=1, ram_mb=1, disk_gb=1), 1.0)

    told = await asyncio.gather(*(ledger.write(make) for _ in range(20)), return_exceptions=True)
    assert Counter(type(one) for one in told) == {type(None): 1, Conflict: 19}
    assert {str(one) for one in told if one is not None} == {"Flavor with ID x already exists."}


def raw(statement: str, **values: Any) -> Any:
    return lambda tx: tx.connection.execute(text(statement), values)


async def test_what_no_book_has_looked_at_is_a_conflict_and_no_fault_of_ours(ledger: Ledger) -> None:
    insert = raw("INSERT INTO flavor_access VALUES ('1', 'p')")
    with pytest.raises(Conflict, match="gone, or it is still in use"):
        await ledger.write(insert)
    await furnish(ledger)
    await ledger.write(insert)
    with pytest.raises(Conflict, match="there already"):
        await ledger.write(insert)
    with pytest.raises(Conflict, match="gone, or it is still in use"):
        await ledger.write(raw("DELETE FROM nodes"))


def _create(flavor: Flavor, tx: Transaction) -> None:
    tx.flavors.create(flavor, 1.0)


async def test_values_that_cannot_be_kept_are_refused(ledger: Ledger) -> None:
    """SQLite keeps some of them; neither database makes a 500 of them."""
    await furnish(ledger)
    for words, number in (("\ud800", 1), ("name", 2**70), ("x\0y", 1), ("n" * 300, 1), ("name", 2**40)):
        flavor = Flavor(id=FlavorId(f"{words[:5]}{number}"), name=words, vcpus=number, ram_mb=1, disk_gb=1)
        try:
            await ledger.write(partial(_create, flavor))
        except BadRequest:
            continue
        assert not isinstance(ledger, PostgresLedger) and len(words) != 1 and number < 2**63, flavor
    assert (await ledger.read(lambda tx: tx.flavors.get("1", wish().caller))) == FLAVOR


async def test_a_mistake_of_ours_stays_one(ledger: Ledger) -> None:
    with pytest.raises((ProgrammingError, Unavailable)):  # SQLite calls it operational
        await ledger.write(raw("SELECT * FROM nowhere"))
    assert await ledger.write(lambda tx: 1) == 1


async def test_a_change_that_failed_leaves_nothing(ledger: Ledger) -> None:
    await furnish(ledger)

    def fail(tx: Transaction) -> None:
        place_order(tx, wish())
        raise Conflict("no")

    woken: list[int] = []
    ledger.on_orders = lambda: woken.append(1)
    with pytest.raises(Conflict):
        await ledger.write(fail)
    assert await ledger.read(lambda tx: (tx.orders.unsent(9), tx.orders.unsent_news(9), tx.hosts.claims())) == ([], [], {})
    await asyncio.sleep(0.05)
    assert woken == []
    await ordered(ledger, wish())
    await asyncio.sleep(0.05)
    assert woken == [1]


async def test_who_goes_away_is_carried_out_all_the_same_and_the_relay_is_woken(ledger: Ledger) -> None:
    await furnish(ledger)
    woken = asyncio.Event()
    ledger.on_orders = woken.set
    entered, go_on = threading.Event(), threading.Event()

    def slow(tx: Transaction) -> None:
        place_order(tx, wish())
        entered.set()
        assert go_on.wait(WITHIN_S)

    task = asyncio.create_task(ledger.write(slow))
    assert await asyncio.to_thread(entered.wait, WITHIN_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    async with asyncio.timeout(WITHIN_S):
        await woken.wait()
    assert len(await ledger.read(lambda tx: tx.orders.unsent(9))) == 1


async def test_a_closed_ledger_says_so(ledger: Ledger) -> None:
    watching = asyncio.create_task(ledger.watch())
    await asyncio.sleep(0.01)
    assert not watching.done()
    await ledger.close()
    with pytest.raises(Unavailable, match="closed"):
        await ledger.write(lambda tx: 1)
    await watching


@pytest.mark.parametrize("error", [StopIteration(), KeyError("x"), Conflict("no")])
async def test_whatever_a_change_raises_comes_back(ledger: Ledger, error: Exception) -> None:
    def fail(tx: Transaction) -> None:
        raise error

    for run in (ledger.write, ledger.read):
        with pytest.raises((type(error), RuntimeError)):
            async with asyncio.timeout(WITHIN_S):
                await run(fail)


async def test_a_read_sees_one_moment(ledger: Ledger) -> None:
    """Two questions in one read agree, whatever is committed between them."""
    await furnish(ledger)
    between, go_on = threading.Event(), threading.Event()

    def look(tx: Transaction) -> tuple[int, int]:
        first = tx.quotas.usage("p").instances
        if isinstance(ledger, PostgresLedger):
            between.set()
            assert go_on.wait(WITHIN_S)
        return first, tx.quotas.usage("p").instances

    reading = asyncio.create_task(ledger.read(look))
    if isinstance(ledger, PostgresLedger):
        assert await asyncio.to_thread(between.wait, WITHIN_S)
    await ordered(ledger, wish())
    go_on.set()
    assert (await reading)[0] == (await reading)[1]


@pytest.mark.wire
async def test_a_read_on_postgresql_cannot_write(postgres: PostgresLedger) -> None:
    with pytest.raises(Unavailable):
        await postgres.read(raw("DELETE FROM servers"))


@pytest.mark.wire
async def test_isolation_is_what_the_books_rely_on(postgres: PostgresLedger) -> None:
    show = "SHOW transaction_isolation"
    assert await postgres.write(lambda tx: tx.connection.exec_driver_sql(show).scalar_one()) == "serializable"
    assert await postgres.read(lambda tx: tx.connection.exec_driver_sql(show).scalar_one()) == "repeatable read"
    limit = await postgres.write(lambda tx: tx.connection.exec_driver_sql("SHOW statement_timeout").scalar_one())
    assert limit == "30s"


@pytest.mark.wire
async def test_a_restart_of_postgresql_is_unavailable_for_a_while(postgres_server: Postgres) -> None:
    """On a server of its own would be nicer and takes longer; the others of this run use this one only one by one."""
    name = postgres_server.new_database()
    prepare(postgres_server.url(name))
    ledger = PostgresLedger(postgres_server.url(name))
    try:
        await furnish(ledger)
        entered, go_on = threading.Event(), threading.Event()

        def slow(tx: Transaction) -> None:
            place_order(tx, wish())
            entered.set()
            assert go_on.wait(WITHIN_S)
            tx.hosts.hosts()

        cut_off = asyncio.create_task(ledger.write(slow))
        assert await asyncio.to_thread(entered.wait, WITHIN_S)
        await asyncio.to_thread(postgres_server.stop)
        go_on.set()
        with pytest.raises(Unavailable):
            await cut_off
        for run in (ledger.write, ledger.read):
            with pytest.raises(Unavailable):
                await run(lambda tx: tx.hosts.hosts())
        await asyncio.to_thread(postgres_server.start)
        assert len(await ledger.read(lambda tx: tx.hosts.hosts())) == 2
        assert await ledger.read(lambda tx: tx.orders.unsent(9)) == []
        assert len((await ordered(ledger, wish())).server_ids) == 1
    finally:
        await ledger.close()
        postgres_server.drop(name)


@pytest.mark.wire
async def test_idle_connections_that_were_cut_are_replaced_unseen(postgres: PostgresLedger, postgres_server: Postgres) -> None:
    await asyncio.gather(*(postgres.write(lambda tx: 1) for _ in range(20)))
    me = (await postgres.read(lambda tx: tx.connection.exec_driver_sql("SELECT current_database()").scalar_one()),)
    cut = postgres_server.do(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{me[0]}'")
    assert len(cut) >= 2
    assert await asyncio.gather(*(postgres.write(lambda tx: 1) for _ in range(20))) == [1] * 20


@pytest.mark.wire
async def test_no_more_connections_than_threads(postgres: PostgresLedger, postgres_server: Postgres) -> None:
    await asyncio.gather(*(postgres.write(raw("SELECT pg_sleep(0.01)")) for _ in range(60)))
    name = await postgres.read(lambda tx: tx.connection.exec_driver_sql("SELECT current_database()").scalar_one())
    (row,) = postgres_server.do(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'")
    assert row[0] <= 9


def test_a_control_without_postgresql_needs_no_psycopg(tmp_path: Path) -> None:
    program = f"""
import sys
from kilonova.ledger.ledger import open_ledger
from kilonova.ledger.migrate import prepare
prepare("sqlite:///{tmp_path}/ledger.sqlite")
open_ledger("sqlite:///{tmp_path}/ledger.sqlite")
assert "psycopg" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=WITHIN_S)


@pytest.mark.wire
def test_any_way_to_write_the_url_is_understood(postgres_url: str) -> None:
    for url in (
        postgres_url,
        postgres_url.replace("postgresql:", "postgresql+psycopg:"),
        postgres_url.replace("postgresql:", "postgres:"),
    ):
        engine = open_engine(url)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1
        engine.dispose()
