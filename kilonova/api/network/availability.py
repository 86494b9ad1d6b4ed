"""/v2.0/network-ip-availabilities: how many addresses each network has, and has given. For admins. Counts nothing itself."""

from collections.abc import Sequence

from kilonova.api.call import Answer, Call
from kilonova.api.network.views import View
from kilonova.errors import NotFound
from kilonova.model.ip_availability import NetworkAvailability

FILTERS = ("network_id", "network_name", "project_id", "tenant_id", "ip_version")


async def list_availabilities(call: Call) -> Answer:
    """Those that the query names; one filter given twice means either value."""
    wanted = {name: set(call.query[name]) for name in FILTERS if name in call.query}
    found = await call.world.ledger.read(lambda books: books.networks.availability.all())
    shown = [_view(one) for one in found if _is_wanted(one, wanted)]
    return Answer(200, {"network_ip_availabilities": shown})


async def show_availability(call: Call) -> Answer:
    network_id = call.path["network_id"]
    found: Sequence[NetworkAvailability] = await call.world.ledger.read(lambda books: books.networks.availability.all())
    for one in found:
        if one.network_id == network_id:
            return Answer(200, {"network_ip_availability": _view(one)})
    raise NotFound(f"Network {network_id[:64]} could not be found.", kind="NetworkNotFound")


def _is_wanted(one: NetworkAvailability, wanted: dict[str, set[str]]) -> bool:
    versions = {str(subnet.ip_version) for subnet in one.subnets}
    known = {
        "network_id": {one.network_id},
        "network_name": {one.network_name},
        "project_id": {one.project_id},
        "tenant_id": {one.project_id},
        "ip_version": versions,
    }
    return all(known[name] & values for name, values in wanted.items())


def _view(one: NetworkAvailability) -> View:
    return {
        "network_id": one.network_id,
        "network_name": one.network_name,
        "project_id": one.project_id,
        "tenant_id": one.project_id,
        "total_ips": sum(subnet.total_ips for subnet in one.subnets),
        "used_ips": sum(subnet.used_ips for subnet in one.subnets),
        "subnet_ip_availability": one.subnets,
    }
