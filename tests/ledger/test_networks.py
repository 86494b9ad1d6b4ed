"""Networks in the ledger: what a server's build asks for, and addresses under every kind of pressure."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import select

from kilonova.errors import BadRequest, Conflict, Forbidden, NoMoreAddresses, NotFound, QuotaExceeded, Unavailable
from kilonova.ledger.engine import open_engine
from kilonova.ledger.ledger import Ledger, PostgresLedger, SqliteLedger
from kilonova.ledger.network_tables import freed_addresses, port_addresses
from kilonova.ledger.networks import Networks
from kilonova.ledger.schema import metadata
from kilonova.model.caller import Caller
from kilonova.model.network import Listing, Pool
from kilonova.model.network_wish import FixedIpWish, NewNetwork, NewPort, NewSubnet, SubnetChanges
from kilonova.model.port import Port

P = "project"
MINE = Caller(user_id="u", user_name="u", project_id=P, roles=frozenset({"member", "reader"}))
ADMIN = Caller(user_id="a", user_name="a", project_id="admin", roles=frozenset({"admin", "member", "reader"}))
Result = TypeVar("Result")


class Books:
    """The networks of one ledger, each call a transaction of its own."""

    def __init__(self, ledger: Ledger, patience: int = 0) -> None:
        self.ledger = ledger
        self.patience = patience
        """How often a change that was told to come back later does so."""
        self.came_back = 0

    async def do(self, change: Callable[[Networks], Result]) -> Result:
        for attempt in range(self.patience):
            try:
                return await self.ledger.write(lambda transaction: change(transaction.networks))
            except Unavailable:
                self.came_back += 1
                await asyncio.sleep(random.uniform(0, 0.02 * (attempt + 1)))
        return await self.ledger.write(lambda transaction: change(transaction.networks))

    async def ask(self, question: Callable[[Networks], Result]) -> Result:
        return await self.ledger.read(lambda transaction: question(transaction.networks))

    async def network(self, *cidrs: str, caller: Caller = MINE, **said: Any) -> str:
        def make(book: Networks) -> str:
            network = book.networks.create(NewNetwork(name="net", **said), caller, 1.0)
            for cidr in cidrs:
                version = 6 if ":" in cidr else 4
                book.subnets.create(NewSubnet(network_id=network.id, cidr=cidr, ip_version=version), caller, 1.0)
            return network.id

        return await self.do(make)

    async def server_port(self, network_id: str, server_id: str = "s1", **more: Any) -> Port:
        said = {"project_id": P, "server_id": server_id, "network_id": network_id, "host": "h1", "now": 2.0, **more}
        return await self.do(lambda book: book.make_server_port(**said))


@pytest.fixture
async def books(tmp_path: Path) -> AsyncIterator[Books]:
    url = f"sqlite:///{tmp_path}/ledger.db"
    engine = open_engine(url)
    metadata.create_all(engine)
    engine.dispose()
    ledger = SqliteLedger(url)
    yield Books(ledger)
    await ledger.close()


def ip(port: Port) -> str:
    return port.addresses[0].ip


async def test_a_servers_port_is_made_bound_and_given_back(books: Books) -> None:
    network = await books.network("10.0.0.0/24", "2001:db8::/64")
    port = await books.server_port(network)
    assert [one.ip for one in port.addresses] == ["10.0.0.2", "2001:db8::2"]
    assert port.addresses[0].gateway == "10.0.0.1" and port.addresses[0].cidr == "10.0.0.0/24" and port.made_for_server
    own = await books.do(lambda book: book.ports.create(NewPort(network_id=network), MINE, 2.0))
    bind = {"port_id": own.id, "project_id": P, "server_id": "s1", "host": "h1", "now": 3.0}
    bound = await books.do(lambda book: book.bind_server_port(**bind))  # type: ignore[arg-type]
    assert not bound.made_for_server and ip(bound) == "10.0.0.3"
    assert await books.do(lambda book: book.bind_server_port(**bind)) == bound  # type: ignore[arg-type]
    assert await books.ask(lambda book: book.server_ports_of("s1")) == (port, bound)
    seen = await books.ask(lambda book: book.ports_of_servers(["s1", "s2"]))
    assert [(one.ip, one.version) for one in seen["s1"]] == [
        ("10.0.0.2", 4), ("2001:db8::2", 6), ("10.0.0.3", 4), ("2001:db8::3", 6),
    ] and set(seen) == {"s1"}  # fmt: skip
    assert await books.ask(lambda book: book.port_inventory()) == {"s1": (port.id, own.id)}
    await books.do(lambda book: book.set_server_ports_status("s1", "ACTIVE", 4.0))
    await books.do(lambda book: book.move_server_ports("s1", "h2", 4.0))
    shown = await books.ask(lambda book: book.ports.get(own.id, MINE))
    assert (shown.status, shown.host, shown.device_id, shown.device_owner) == ("ACTIVE", "h2", "s1", "compute:nova")
    for _ in range(2):
        await books.do(lambda book: book.release_server_ports("s1"))
    with pytest.raises(NotFound):
        await books.ask(lambda book: book.ports.get(port.id, MINE))
    left = await books.ask(lambda book: book.ports.get(own.id, MINE))
    assert (left.status, left.host, left.device_id, left.device_owner) == ("DOWN", "", "", "")
    assert await books.ask(lambda book: book.port_inventory()) == {}


async def test_what_a_server_cannot_have(books: Books) -> None:
    network = await books.network("10.0.0.0/24")
    bare = await books.network()
    hidden = await books.network("10.0.0.0/24", caller=ADMIN)
    outside = await books.network("10.0.0.0/24", caller=ADMIN, external=True)
    for wrong, error in (
        ({"network_id": "none"}, NotFound),
        ({"network_id": hidden}, NotFound),
        ({"network_id": outside}, Forbidden),
        ({"network_id": bare}, BadRequest),
        ({"network_id": network, "fixed_ip": "10.9.0.1"}, BadRequest),
        ({"network_id": network, "fixed_ip": "ten"}, BadRequest),
        ({"network_id": network, "security_groups": ("no such group",)}, NotFound),
    ):
        with pytest.raises(error):
            await books.server_port(**wrong)
    assert ip(await books.server_port(network, fixed_ip="10.0.0.77")) == "10.0.0.77"
    with pytest.raises(Conflict):
        await books.server_port(network, fixed_ip="10.0.0.77")
    await books.do(lambda book: book.quotas.change(P, {"port": 1}))
    with pytest.raises(QuotaExceeded):
        await books.server_port(network)
    assert await books.ask(lambda book: len(book.port_inventory()["s1"])) == 1


async def test_ports_that_cannot_be_bound(books: Books) -> None:
    network = await books.network("10.0.0.0/24")
    bare = await books.network()
    used = await books.do(lambda book: book.ports.create(NewPort(network_id=network, device_id="other"), MINE, 2.0))
    empty = await books.do(lambda book: book.ports.create(NewPort(network_id=bare), MINE, 2.0))
    for port_id, project, error in (
        ("none", P, NotFound),
        (used.id, "stranger", NotFound),
        (used.id, P, Conflict),
        (empty.id, P, BadRequest),
    ):
        said = {"port_id": port_id, "project_id": project, "server_id": "s1", "host": "h", "now": 3.0}
        with pytest.raises(error):
            await books.do(lambda book, said=said: book.bind_server_port(**said))  # type: ignore[misc]


async def test_security_groups_by_name_or_id(books: Books) -> None:
    from kilonova.model.network_wish import NewSecurityGroup

    network = await books.network("10.0.0.0/24")
    web = await books.do(lambda book: book.groups.create(NewSecurityGroup(name="web"), MINE, 1.0))
    port = await books.server_port(network, security_groups=("web", web.id, "default"))
    default = await books.ask(lambda book: book.groups.default_id(P))
    assert set((await books.ask(lambda book: book.ports.get(port.id, MINE))).security_groups) == {web.id, default}
    await books.do(lambda book: book.groups.create(NewSecurityGroup(name="web"), MINE, 1.0))
    with pytest.raises(Conflict):
        await books.server_port(network, security_groups=("web",))


async def test_networks_for_auto(books: Books) -> None:
    mine = await books.network("10.0.0.0/24")
    await books.network()
    shared = await books.network("10.0.0.0/24", caller=ADMIN, shared=True)
    await books.network("10.0.0.0/24", caller=ADMIN, external=True)
    await books.network("10.0.0.0/24", caller=ADMIN)
    found = await books.ask(lambda book: book.networks_for_auto(P))
    assert {network_id for network_id, _ in found} == {mine, shared}


async def test_the_default_network_is_made_once(books: Books) -> None:
    said = {"project_id": "admin", "name": "default", "cidr": "10.0.0.0/20", "now": 1.0}
    first = await books.do(lambda book: book.ensure_default_network(**said))  # type: ignore[arg-type]
    assert await books.do(lambda book: book.ensure_default_network(**said)) == first  # type: ignore[arg-type]
    assert await books.ask(lambda book: book.networks_for_auto(P)) == [(first, "default")]


async def test_an_address_comes_back_as_late_as_possible(books: Books) -> None:
    network = await books.network("10.0.0.0/29")  # .2 to .6
    first = [ip(await books.server_port(network, f"s{n}")) for n in range(3)]
    assert first == ["10.0.0.2", "10.0.0.3", "10.0.0.4"]
    for server in ("s1", "s0"):
        await books.do(lambda book, server=server: book.release_server_ports(server))  # type: ignore[misc]
    later = [ip(await books.server_port(network, f"t{n}")) for n in range(4)]
    assert later == ["10.0.0.5", "10.0.0.6", "10.0.0.3", "10.0.0.2"]
    with pytest.raises(NoMoreAddresses):
        await books.server_port(network, "u")


@pytest.mark.long
async def test_addresses_asked_for_by_name_are_stepped_over(books: Books) -> None:
    network = await books.network("10.0.0.0/22")

    def claim(book: Networks) -> None:
        for number in range(2, 402, 2):
            address = f"10.0.{number // 256}.{number % 256}"
            book.ports.create(NewPort(network_id=network, fixed_ips=[FixedIpWish(ip_address=address)]), MINE, 1.0)

    await books.do(claim)
    given = [ip(await books.server_port(network, f"s{n}")) for n in range(210)]
    assert given[:3] == ["10.0.0.3", "10.0.0.5", "10.0.0.7"] and len(set(given)) == 210
    taken = await books.ledger.read(
        lambda transaction: transaction.connection.execute(select(port_addresses.c.ip_address)).scalars().all()
    )
    assert len(taken) == len(set(taken)) == 410


async def test_an_address_given_back_beyond_the_mark_is_not_kept_twice(books: Books) -> None:
    network = await books.network("10.0.0.0/29")
    await books.server_port(network, "far", fixed_ip="10.0.0.4")
    await books.do(lambda book: book.release_server_ports("far"))
    await books.server_port(network, "s0")
    await books.do(lambda book: book.release_server_ports("s0"))
    assert ip(await books.server_port(network, "again", fixed_ip="10.0.0.2")) == "10.0.0.2"
    count = await books.ledger.read(lambda transaction: len(transaction.connection.execute(select(freed_addresses)).all()))
    assert count == 0
    assert [ip(await books.server_port(network, f"t{n}")) for n in range(4)] == ["10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]


async def test_pools_can_be_changed_under_ports(books: Books) -> None:
    network = await books.network("10.0.0.0/24")
    for number in range(5):
        await books.server_port(network, f"s{number}")
    await books.do(lambda book: book.release_server_ports("s1"))
    subnet_id = (await books.ask(lambda book: book.networks.get(network, MINE))).subnets[0]
    changes = SubnetChanges(allocation_pools=[Pool(start="10.0.0.3", end="10.0.0.4"), Pool(start="10.0.0.9", end="10.0.0.9")])
    await books.do(lambda book: book.subnets.change(subnet_id, changes, MINE, 3.0))
    assert [ip(await books.server_port(network, f"t{n}")) for n in range(2)] == ["10.0.0.3", "10.0.0.9"]
    with pytest.raises(NoMoreAddresses):
        await books.server_port(network)


async def press(books: Books, servers: int) -> list[Port]:
    """`servers` builds at once, two NICs each, every fifth deleted and built again."""
    first, second = await books.network("10.0.0.0/22"), await books.network("10.4.0.0/22")
    await books.do(lambda book: book.quotas.change(P, {"port": -1}))

    async def build(number: int) -> list[Port]:
        server = f"s{number}"
        ports = [await books.server_port(first, server), await books.server_port(second, server)]
        if number % 5:
            return ports
        await books.do(lambda book: book.release_server_ports(server))
        return [await books.server_port(first, server), await books.server_port(second, server)]

    return [port for ports in await asyncio.gather(*[build(number) for number in range(servers)]) for port in ports]


async def test_two_hundred_at_once_on_sqlite(books: Books) -> None:
    ports = await press(books, 100)
    assert len(ports) == len({ip(port) for port in ports}) == len({port.mac for port in ports}) == 200


async def test_the_last_addresses_go_to_exactly_as_many(books: Books) -> None:
    network = await books.network("10.0.0.0/27")
    tries = await asyncio.gather(*[books.server_port(network, f"s{n}") for n in range(60)], return_exceptions=True)
    given = [ip(one) for one in tries if isinstance(one, Port)]
    assert len(given) == len(set(given)) == 29
    assert all(isinstance(one, NoMoreAddresses) for one in tries if not isinstance(one, Port))


@pytest.mark.long
async def test_what_a_port_costs_among_five_thousand(books: Books, record_property: Callable[[str, object], None]) -> None:
    network = await books.network("10.0.0.0/16")
    await books.do(lambda book: book.quotas.change(P, {"port": 20000}))

    def fill(book: Networks) -> float:
        started = time.process_time()
        for number in range(500):
            book.make_server_port(project_id=P, server_id=f"s{number}", network_id=network, host="h", now=1.0)
        return (time.process_time() - started) / 500 * 1000

    costs = [await books.do(fill) for _ in range(11)]
    print(f"ms of CPU a port: first 500: {costs[0]:.2f}, after 5,000: {costs[-1]:.2f}")
    record_property("ms_a_port_among_5000", costs[-1])
    assert sum(len(ids) for ids in (await books.ask(lambda book: book.port_inventory())).values()) == 5500


@pytest.fixture
async def postgres_books(postgres_url: str) -> AsyncIterator[Books]:
    """A database of this test's own."""
    engine = open_engine(postgres_url)
    metadata.create_all(engine)
    engine.dispose()
    ledger = PostgresLedger(postgres_url)
    yield Books(ledger, patience=50)
    await ledger.close()


@pytest.mark.wire
async def test_two_hundred_at_once_on_postgresql(postgres_books: Books) -> None:
    """What was given was given once, whoever had to come back for it."""
    ports = await press(postgres_books, 100)
    assert len(ports) == len({ip(port) for port in ports}) == len({port.mac for port in ports}) == 200
    print(f"PostgreSQL: {postgres_books.came_back} of about 300 changes were told to come back later")
    found = await postgres_books.ask(lambda book: book.networks.find(Listing(sort=(("name", True),), limit=2), MINE))
    assert len(found) == 2
