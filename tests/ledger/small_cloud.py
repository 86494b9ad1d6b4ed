"""A cloud's books with just enough in them to order servers, and the order as the servers' desk places it."""

import time
from typing import Any

from kilonova.build import STEP_OF, order
from kilonova.build.admit import OrderDesk, OrderWorld
from kilonova.build.wish import Ordered, Wish
from kilonova.ledger.ledger import Ledger
from kilonova.ledger.transaction import Transaction
from kilonova.model.caller import Caller
from kilonova.model.flavor import Flavor
from kilonova.model.guest import HostFacts
from kilonova.model.ids import FlavorId, HostName
from kilonova.model.network_wish import NewNetwork, NewSubnet
from kilonova.scheduler.choose import Ratios
from kilonova.trace.recorder import OrderTimer

MEMBER = Caller(user_id="u", user_name="u", project_id="p", roles=frozenset({"member", "reader"}))
ADMIN = Caller(user_id="a", user_name="a", project_id="ops", roles=frozenset({"admin", "member", "reader"}))
FLAVOR = Flavor(id=FlavorId("1"), name="tiny", vcpus=1, ram_mb=64, disk_gb=1)


def terms(now: float | None = None) -> OrderDesk:
    return OrderDesk(
        now=time.time() if now is None else now,
        build_limit_s=60.0,
        ratios=Ratios(),
        ticket=lambda image, host, until: "ticket",
        send_ticket=lambda image, host, until: "ticket to send",
    )


def facts(host: str, **more: Any) -> HostFacts:
    said = {"hypervisor_type": "simulated", "hypervisor_version": 1, "vcpus": 64, "ram_mb": 65536, "disk_gb": 1000, **more}
    return HostFacts(host=HostName(host), **said)


async def furnish(ledger: Ledger, hosts: int = 2) -> str:
    """A flavor, a shared network with one subnet, a network node, and hosts of one node; the network's id."""

    def write(tx: Transaction) -> str:
        now = time.time()
        tx.flavors.create(FLAVOR, now)
        network = tx.networks.networks.create(NewNetwork(name="net", shared=True), ADMIN, now)
        tx.networks.subnets.create(NewSubnet(network_id=network.id, cidr="10.9.0.0/16", ip_version=4), ADMIN, now)
        tx.hosts.heard_of("wires", "network", now)
        tx.hosts.heard_of("metal", "compute", now)
        for number in range(hosts):
            tx.hosts.measured("metal", facts(f"h{number}"), now)
        return network.id

    return await ledger.write(write)


def place_order(tx: Transaction, wish: Wish) -> Ordered:
    """As nodes/desk.py does."""
    timer = OrderTimer(STEP_OF, wish.arrived_at)
    return order(wish, OrderWorld(tx, terms()), timer, lambda key: tx.servers.by_idempotency_key(wish.caller.project_id, key))


def wish(name: str = "vm", caller: Caller = MEMBER, **more: Any) -> Wish:
    said = {"request_id": f"req-{name}", "flavor_id": FLAVOR.id, "image_id": None, "arrived_at": time.time(), **more}
    return Wish(caller=caller, name=name, **said)


async def ordered(ledger: Ledger, wanted: Wish) -> Ordered:
    return await ledger.write(lambda tx: place_order(tx, wanted))
