"""/os-networks and /os-tenant-networks until 2.35: the networks a project may use, by the names nova-network once gave."""

from collections.abc import Sequence

from kilonova.api.call import Answer, Call
from kilonova.api.compute.changes.change import Document
from kilonova.api.compute.network_words import in_novas_words
from kilonova.api.world import Books
from kilonova.errors import NotFound
from kilonova.model.network import Listing, Network

FIELDS = ("cidr", "netmask", "gateway", "broadcast", "dns1", "dns2", "cidr_v6", "gateway_v6", "netmask_v6")
ADMIN_FIELDS = (
    "created_at", "updated_at", "deleted_at", "deleted", "injected", "bridge", "vlan", "vpn_public_address",
    "vpn_public_port", "vpn_private_address", "dhcp_start", "project_id", "host", "bridge_interface", "multi_host",
    "priority", "rxtx_base", "mtu", "dhcp_server", "enable_dhcp", "share_address",
)  # fmt: skip
"""Nothing is known of these any more: each is null."""


async def index(call: Call) -> Answer:
    return Answer(200, {"networks": [_network(call, one) for one in await _all(call)]})


async def show(call: Call) -> Answer:
    return Answer(200, {"network": _network(call, await _one(call))})


async def index_of_project(call: Call) -> Answer:
    return Answer(200, {"networks": [_short(one) for one in await _all(call)]})


async def show_of_project(call: Call) -> Answer:
    return Answer(200, {"network": _short(await _one(call))})


async def _all(call: Call) -> Sequence[Network]:
    """Whatever the network service would list: the project's own, shared ones and those that lead out; an admin sees all."""
    return await call.world.ledger.read(lambda books: books.networks.networks.find(Listing(), call.who))


async def _one(call: Call) -> Network:
    wanted = call.path["network_id"]

    def look(books: Books) -> Network:
        with in_novas_words():
            return books.networks.networks.get(wanted, call.who)

    try:
        return await call.world.ledger.read(look)
    except NotFound:
        raise NotFound("Network not found") from None


def _network(call: Call, network: Network) -> Document:
    names = FIELDS + (ADMIN_FIELDS if call.who.is_admin else ())
    return {**dict.fromkeys(names), "id": network.id, "label": network.name}


def _short(network: Network) -> Document:
    """The word None, as a text, is what has always been answered."""
    return {"id": network.id, "label": network.name, "cidr": "None"}
