"""The books add up: claims, host counters, addresses, owners of ports; counted from the rows, by nobody else's sums."""

from collections import Counter
from collections.abc import Iterator

from kilonova.model import server as states
from kilonova.sim.checks.servers import HELD, history
from kilonova.sim.checks.view import Row, View
from kilonova.sim.operations.promise import Violation, violation

ROOM = ("vcpus", "ram_mb", "disk_gb")
DECIDED = ("confirmed", "reverted", "error")
ROUTER_OWNERS = ("network:router_interface", "network:router_gateway")


def out_of_balance(view: View) -> Iterator[Violation]:
    yield from _claims(view)
    yield from _hosts(view)
    yield from _addresses(view)
    yield from _ports(view)
    yield from _orders(view)
    yield from _moves(view)


def _claims(view: View) -> Iterator[Violation]:
    alive = {row["id"]: row for row in view.alive}
    claims = {row["server_id"]: row for row in view.rows["claims"]}
    for server_id, claim in claims.items():
        server = alive.get(server_id)
        facts = history(view, server_id)
        if server is None:
            yield violation("claim", server_id, f"it is gone, and still holds room on {claim['host']}", *facts)
        elif server["host"] != claim["host"]:
            yield violation("claim", server_id, f"its claim is on {claim['host']}, and it is on {server['host']}", *facts)
        elif (wanted := _room(server)) != tuple(claim[what] for what in ROOM):
            yield violation("claim", server_id, f"it needs {wanted}, and holds {[claim[what] for what in ROOM]}", *facts)
    for server_id, server in alive.items():
        if server["vm_state"] in HELD and server_id not in claims:
            yield violation("claim", server_id, f"it is {server['vm_state']}, and holds no room", *history(view, server_id))


def _room(server: Row) -> tuple[int, int, int]:
    """What a server holds: while a resize is not decided, the larger of both sizes, and the disks of both."""
    sizes = [server["flavor"], *([server["old_flavor"]] if server["old_flavor"] else [])]
    disk = sum(size["disk_gb"] + size["ephemeral_gb"] for size in sizes)
    return max(size["vcpus"] for size in sizes), max(size["ram_mb"] for size in sizes), disk


def _hosts(view: View) -> Iterator[Violation]:
    for host in view.rows["hosts"]:
        sums: Counter[str] = Counter()
        for claim in view.of("claims", host=host["name"]):
            sums.update({what: claim[what] for what in ROOM} | {"servers": 1})
        says = {what: host[f"{what}_used"] for what in ROOM} | {"servers": host["servers"]}
        if any(says[what] != sums[what] for what in says):
            yield violation("host counters", host["name"], f"it says {says}, and its claims add up to {dict(sums)}")


def _addresses(view: View) -> Iterator[Violation]:
    ports = view.by_id("ports")
    taken = Counter((row["subnet_id"], row["ip_address"]) for row in view.rows["port_addresses"])
    freed = {(row["subnet_id"], row["ip_address"]) for row in view.rows["freed_addresses"]}
    for (subnet, address), count in taken.items():
        if count > 1:
            yield violation("address", subnet, f"{address} is given to {count} ports")
        if (subnet, address) in freed:
            yield violation("address", subnet, f"{address} is in use, and on the list of those that are free")
    for row in view.rows["port_addresses"]:
        if row["port_id"] not in ports:
            yield violation("address", row["port_id"], f"{row['ip_address']} belongs to a port that is gone")
    macs = Counter((row["network_id"], row["mac_address"]) for row in ports.values())
    for (network, mac), count in macs.items():
        if count > 1:
            yield violation("address", network, f"{mac} is given to {count} ports")


def _ports(view: View) -> Iterator[Violation]:
    servers = {row["id"]: row for row in view.alive}
    routers, floating = view.by_id("routers"), view.by_id("floating_ips")
    for port in view.rows["ports"]:
        owner, device = port["device_owner"], port["device_id"]
        if owner.startswith("compute:"):
            server = servers.get(device)
            if server is None:
                yield violation("port", port["id"], f"its server {device} is gone", *history(view, device))
            elif port["host"] != (server["host"] or "") and server["vm_state"] != states.ERROR:
                yield violation("port", port["id"], f"it is bound to {port['host']}, its server is on {server['host']}")
        elif port["made_for_server"]:
            yield violation("port", port["id"], "it was made for a server, and has none")
        elif owner in ROUTER_OWNERS and device not in routers:
            yield violation("port", port["id"], f"its router {device} is gone")
        elif owner == "network:floatingip" and device not in floating:
            yield violation("port", port["id"], f"its floating IP {device} is gone")


def _orders(view: View) -> Iterator[Violation]:
    for order in view.rows["orders"]:
        text = f"{order['kind']} {order['message']} was sent {order['sent']} times, and never answered for good"
        yield violation("order", order["server_id"], text, *history(view, order["server_id"]))


def _moves(view: View) -> Iterator[Violation]:
    """A resize is undecided only while its server waits for the decision."""
    resized = {row["id"] for row in view.alive if row["vm_state"] == states.RESIZED}
    gone = {row["id"] for row in view.rows["servers"] if row["deleted_at"] is not None}
    for move in view.rows["migrations"]:
        waits = move["status"] == "finished" and move["server_id"] in resized
        if move["status"] not in DECIDED and not waits and move["server_id"] not in gone:
            text = f"its move {move['kind']} is {move['status']}, and nothing will ever end it"
            yield violation("stuck", move["server_id"], text, *history(view, move["server_id"]))
