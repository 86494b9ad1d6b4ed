"""What a network node must make true: which changes raise a revision, what the plans say, and what confirming them does."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from kilonova.ledger.ledger import Ledger
from kilonova.ledger.networks import Networks
from kilonova.ledger.transaction import Transaction
from kilonova.lifecycle.fabric import FabricWanted
from kilonova.model.caller import Caller
from kilonova.model.fabric import Known
from kilonova.model.ids import NodeName
from kilonova.model.network_wish import (
    FixedIpWish,
    NetworkChanges,
    NewNetwork,
    NewPort,
    NewSecurityGroup,
    NewSecurityGroupRule,
    NewSubnet,
    PairWish,
    PortChanges,
)
from kilonova.model.router_wish import FloatingIpChanges, GatewayWish, InterfaceWish, NewFloatingIp, NewRouter, RouterChanges

ADMIN = Caller(user_id="a", user_name="a", project_id="p", roles=frozenset({"admin", "member", "reader"}))
NODE = NodeName("net-1")
Result = TypeVar("Result")


class Desk:
    """One ledger; `wanted` is what the node has not confirmed."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.woken = 0
        ledger.on_orders = self._wake

    def _wake(self) -> None:
        self.woken += 1

    async def do(self, change: Callable[[Networks], Result]) -> Result:
        return await self.ledger.write(lambda books: change(books.networks))

    async def fabric(self, change: Callable[[Transaction], Result]) -> Result:
        return await self.ledger.write(change)

    async def wanted(self) -> FabricWanted | None:
        return await self.ledger.read(lambda books: books.fabric.unconfirmed(100))

    async def confirm_all(self) -> None:
        """As a node does that makes everything true."""
        wanted = await self.wanted()
        if wanted is not None:
            known = [
                *(Known(kind="group", id=one.id, revision=one.revision) for one in wanted.groups),
                *(Known(kind="network", id=one.id, revision=one.revision) for one in wanted.networks),
                *(Known(kind="router", id=one.id, revision=one.revision) for one in wanted.routers),
                *(Known(kind="server", id=one.server_id, revision=one.revision) for one in wanted.servers),
                *wanted.gone,
            ]
            await self.fabric(lambda books: books.fabric.confirm(known))
        assert await self.wanted() is None

    async def network(self, cidr: str, **said: Any) -> tuple[str, str]:
        def make(book: Networks) -> tuple[str, str]:
            network = book.networks.create(NewNetwork(name="n", **said), ADMIN, 1.0)
            subnet = book.subnets.create(NewSubnet(network_id=network.id, cidr=cidr, ip_version=4), ADMIN, 1.0)
            return network.id, subnet.id

        return await self.do(make)

    async def server_port(self, network_id: str, server_id: str = "s1") -> str:
        said: dict[str, Any] = {"project_id": "p", "server_id": server_id, "network_id": network_id, "host": "h", "now": 2.0}
        return (await self.do(lambda book: book.make_server_port(**said))).id


@pytest.fixture
def desk(ledger: Ledger) -> Desk:
    return Desk(ledger)


async def test_a_router_with_everything(desk: Desk) -> None:
    outside, _ = await desk.network("203.0.113.0/24", external=True)
    inside, subnet = await desk.network("10.1.0.0/24")
    port = await desk.server_port(inside)
    gateway = GatewayWish(network_id=outside)
    router = await desk.do(lambda book: book.routers.create(NewRouter(external_gateway_info=gateway), ADMIN, 1.0))
    await desk.do(lambda book: book.interfaces.add(router.id, InterfaceWish(subnet_id=subnet), ADMIN, 1.0))
    floating = await desk.do(
        lambda book: book.floating_ips.create(NewFloatingIp(floating_network_id=outside, port_id=port), ADMIN, 1.0)
    )
    assert floating.status == "DOWN" and desk.woken
    wanted = await desk.wanted()
    assert wanted is not None
    (plan,) = wanted.routers
    assert plan.up and plan.snat and plan.next_hop == ("203.0.113.1",)
    assert [end.network_id for end in plan.inside] == [inside]
    assert plan.inside[0].addresses == (("10.1.0.1", "10.1.0.0/24", subnet),)
    assert plan.gateway is not None and plan.gateway.network_id == outside
    assert [(one.floating_ip, one.fixed_ip, one.network_id) for one in plan.floating] == [
        (floating.floating_ip_address, floating.fixed_ip_address, inside)
    ]
    (external,) = wanted.networks
    assert external.id == outside and external.subnets == (("203.0.113.0/24", "203.0.113.1"),)
    old = Known(kind="router", id=router.id, revision=plan.revision - 1)
    await desk.fabric(lambda books: books.fabric.confirm([old]))
    assert (await desk.do(lambda book: book.floating_ips.get(floating.id, ADMIN))).status == "DOWN"
    await desk.confirm_all()
    assert (await desk.do(lambda book: book.floating_ips.get(floating.id, ADMIN))).status == "ACTIVE"
    assert (await desk.do(lambda book: book.ports.get(plan.inside[0].port_id, ADMIN))).status == "ACTIVE"


async def test_every_change_of_a_router_raises_its_revision(desk: Desk) -> None:
    outside, _ = await desk.network("203.0.113.0/24", external=True)
    inside, subnet = await desk.network("10.1.0.0/24")
    router = await desk.do(lambda book: book.routers.create(NewRouter(), ADMIN, 1.0))
    port = (await desk.do(lambda book: book.ports.create(NewPort(network_id=inside), ADMIN, 1.0))).id
    floating = await desk.do(lambda book: book.floating_ips.create(NewFloatingIp(floating_network_id=outside), ADMIN, 1.0))
    end = InterfaceWish(subnet_id=subnet)
    gateway = RouterChanges(external_gateway_info=GatewayWish(network_id=outside))
    steps: list[Callable[[Networks], Any]] = [
        lambda book: book.routers.change(router.id, gateway, ADMIN, 2.0),
        lambda book: book.interfaces.add(router.id, end, ADMIN, 2.0),
        lambda book: book.routers.change(router.id, RouterChanges(admin_state_up=False), ADMIN, 2.0),
        lambda book: book.floating_ips.change(floating.id, FloatingIpChanges(port_id=port), ADMIN, 2.0),
        lambda book: book.floating_ips.change(floating.id, FloatingIpChanges(port_id=None), ADMIN, 2.0),
        lambda book: book.floating_ips.change(floating.id, FloatingIpChanges(port_id=port), ADMIN, 2.0),
        lambda book: book.ports.remove(port, ADMIN),
        lambda book: book.subnets.create(NewSubnet(network_id=outside, cidr="198.51.100.0/24", ip_version=4), ADMIN, 2.0),
        lambda book: book.interfaces.remove(router.id, end, ADMIN, 2.0),
    ]
    await desk.confirm_all()
    revision = 0
    for number, step in enumerate(steps):
        await desk.do(step)
        wanted = await desk.wanted()
        assert wanted is not None, number
        (plan,) = wanted.routers
        assert plan.revision > revision, number
        revision = plan.revision
        await desk.confirm_all()
    await desk.do(lambda book: book.routers.remove(router.id, ADMIN))
    wanted = await desk.wanted()
    assert wanted is not None and [(one.kind, one.id) for one in wanted.gone] == [("router", router.id)]
    await desk.confirm_all()


async def test_groups_and_their_rules(desk: Desk) -> None:
    group = await desk.do(lambda book: book.groups.create(NewSecurityGroup(name="web"), ADMIN, 1.0))
    await desk.confirm_all()
    wish = NewSecurityGroupRule(
        security_group_id=group.id, direction="ingress", protocol="tcp", port_range_min=80, port_range_max=81
    )
    rule = await desk.do(lambda book: book.rules.create(wish, ADMIN, 1.0))
    wanted = await desk.wanted()
    assert wanted is not None
    (plan,) = wanted.groups
    assert plan.id == group.id and len(plan.rules) == 3
    (web,) = [one for one in plan.rules if one.protocol]
    assert (web.direction, web.version, web.protocol, web.port_min, web.port_max) == ("ingress", 4, "tcp", 80, 81)
    await desk.confirm_all()
    await desk.do(lambda book: book.rules.remove(rule.id, ADMIN))
    wanted = await desk.wanted()
    assert wanted is not None and len(wanted.groups[0].rules) == 2
    await desk.do(lambda book: book.groups.remove(group.id, ADMIN))
    wanted = await desk.wanted()
    assert wanted is not None and [one.id for one in wanted.gone] == [group.id] and wanted.groups == ()


async def test_ports_of_a_wired_server(desk: Desk) -> None:
    inside, _ = await desk.network("10.1.0.0/24")
    port = await desk.server_port(inside)
    await desk.confirm_all()
    pairs = PortChanges(allowed_address_pairs=[PairWish(ip_address="10.1.0.99")])
    await desk.do(lambda book: book.ports.change(port, pairs, ADMIN, 2.0))
    assert await desk.wanted() is None, "it is not wired yet: its build brings the ports as they are"
    await desk.do(lambda book: book.set_server_ports_status("s1", "ACTIVE", 3.0))
    changes = [
        PortChanges(security_groups=[]),
        PortChanges(port_security_enabled=False, allowed_address_pairs=[]),
        PortChanges(admin_state_up=False),
        PortChanges(fixed_ips=[FixedIpWish(ip_address="10.1.0.77")]),
    ]
    for number, change in enumerate(changes):
        await desk.do(lambda book, change=change: book.ports.change(port, change, ADMIN, 3.0))  # type: ignore[misc]
        wanted = await desk.wanted()
        assert wanted is not None, number
        assert [one.server_id for one in wanted.servers] == ["s1"]
        await desk.confirm_all()
    await desk.do(lambda book: book.ports.change(port, PortChanges(port_security_enabled=True), ADMIN, 4.0))
    wanted = await desk.wanted()
    assert wanted is not None
    ((shown,),) = [one.ports for one in wanted.servers]
    assert (shown.up, shown.port_security, shown.addresses[0].ip) == (False, True, "10.1.0.77")
    assert shown.groups == () and shown.allowed_pairs == ()


async def test_what_could_not_be_made_shows(desk: Desk) -> None:
    router = await desk.do(lambda book: book.routers.create(NewRouter(), ADMIN, 1.0))
    await desk.fabric(lambda books: books.fabric.refuse({f"router/{router.id}": "no room"}, 2.0))
    assert (await desk.do(lambda book: book.routers.get(router.id, ADMIN))).status == "ERROR"
    assert await desk.wanted() is not None
    await desk.confirm_all()
    assert (await desk.do(lambda book: book.routers.get(router.id, ADMIN))).status == "ACTIVE"


async def test_a_plan_that_the_node_takes_for_old_goes_out_with_a_newer_revision(desk: Desk) -> None:
    outside, _ = await desk.network("203.0.113.0/24", external=True)
    await desk.confirm_all()
    await desk.do(lambda book: book.networks.change(outside, NetworkChanges(external=False), ADMIN, 2.0))
    await desk.confirm_all()
    await desk.do(lambda book: book.networks.change(outside, NetworkChanges(external=True), ADMIN, 3.0))
    wanted, woken = await desk.wanted(), desk.woken
    assert wanted is not None and wanted.networks[0].revision == 1, "nothing is known any more of what went"
    await desk.fabric(lambda books: books.fabric.confirm([Known(kind="network", id=outside, revision=2)]))
    wanted = await desk.wanted()
    assert wanted is not None and wanted.networks[0].revision == 3
    async with asyncio.timeout(10):
        while desk.woken == woken:  # told by the thread that writes
            await asyncio.sleep(0.01)
    await desk.confirm_all()
    await desk.do(lambda book: book.networks.change(outside, NetworkChanges(external=False), ADMIN, 4.0))
    wanted = await desk.wanted()
    assert wanted is not None and [one.revision for one in wanted.gone] == [4]
    await desk.fabric(lambda books: books.fabric.confirm([Known(kind="network", id=outside, revision=3)]))
    assert await desk.wanted() == wanted, "only an older one is there"


async def test_a_node_that_says_what_it_has(desk: Desk) -> None:
    router = await desk.do(lambda book: book.routers.create(NewRouter(), ADMIN, 1.0))
    outside, _ = await desk.network("203.0.113.0/24", external=True)
    await desk.confirm_all()
    await desk.fabric(lambda books: books.fabric.known_is(NODE, [Known(kind="router", id="stranger", revision=4)]))
    wanted = await desk.wanted()
    assert wanted is not None
    assert [one.id for one in wanted.routers] == [router.id] and [one.id for one in wanted.networks] == [outside]
    assert wanted.gone == (Known(kind="router", id="stranger", revision=5),)
    await desk.confirm_all()
    await desk.do(lambda book: book.networks.change(outside, NetworkChanges(external=False), ADMIN, 2.0))
    wanted = await desk.wanted()
    assert wanted is not None and [one.id for one in wanted.gone] == [outside]
    have = [Known(kind="router", id=router.id, revision=1)]
    await desk.fabric(lambda books: books.fabric.known_is(NODE, have))
    assert await desk.wanted() is None, "it has the router, and the network is gone"
