"""What is mended in the ledger of networks: ports, addresses, floating IPs, plans."""

from collections.abc import Mapping

from kilonova.ledger.routing.fabric import GROUP, NETWORK, ROUTER
from kilonova.nodes.repair.case import Case, LeftAlone, Mend


def _release(case: Case) -> str:
    port = next((port for port in case.seen.view.ports if port.id == case.about), None)
    if port is None:
        raise LeftAlone("it is gone by now")
    case.refuse_busy(port.server_id)
    case.refuse_silent(port.host)
    case.tx.networks.release_server_ports(port.server_id)
    return "it is released, and its address is free"


def _bind(case: Case) -> str:
    port = next((port for port in case.seen.view.ports if port.id == case.about), None)
    server = case.tx.servers.whatever(port.server_id) if port else None
    if server is None or server.host is None:
        raise LeftAlone("its server is gone by now")
    case.refuse_busy(server.id)
    case.tx.networks.move_server_ports(server.id, server.host, case.now)
    return f"it is bound to {server.host}"


def _remove_port(case: Case) -> str:
    case.book.remove_own_port(case.about)
    return "it is gone, and its address is free"


def _lead_nowhere(case: Case) -> str:
    router_id = case.book.lead_nowhere(case.about)
    if router_id is not None:
        case.tx.fabric.changed(ROUTER, [router_id])
    return "it leads nowhere"


def _take_for_good(case: Case) -> str:
    case.book.take_for_good(case.about)
    return "it is its port's alone"


def _find_lost(case: Case) -> str:
    return f"{case.book.find_lost_addresses(case.about)} addresses are kept to be given again"


def _forget_tags(case: Case) -> str:
    case.book.forget_tags(case.about)
    return "the tags are gone"


def _end_plan(case: Case) -> str:
    for kind in case.book.plans_of(case.about):
        case.tx.fabric.ended(kind, [case.about])
    return "the network node is told that it is gone"


def _plan_again(case: Case) -> str:
    """As at a network node's hello: whatever differs is unconfirmed again, and so sent."""
    node = case.tx.hosts.network_node(case.now)
    told = next((one for one in case.seen.told if one.node == node), None)
    if node is None or told is None:
        raise LeftAlone("no network node answers")
    case.tx.fabric.known_is(node, told.known)
    return "its plan is sent again"


NETWORKS: Mapping[str, Mend] = {
    "port without server": _release,
    "port of a failed server": _release,
    "port on another host": _bind,
    "router port without router": _remove_port,
    "floating IP port without floating IP": _remove_port,
    "floating IP to nowhere": _lead_nowhere,
    "address both free and taken": _take_for_good,
    "addresses lost": _find_lost,
    "tags of nobody": _forget_tags,
    "plan of nobody": _end_plan,
    **{
        f"{kind} {how}": _plan_again
        for kind in (ROUTER, GROUP, NETWORK)
        for how in ("not on the node", "of nobody", "in another revision")
    },
}
