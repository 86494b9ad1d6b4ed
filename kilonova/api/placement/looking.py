"""The hosts as providers, out of one transaction. Shapes nothing."""

from kilonova.api.call import Call
from kilonova.api.world import Books
from kilonova.errors import NotFound
from kilonova.model.placement import Overcommit, Provider, provider_of


def providers(call: Call, books: Books) -> list[Provider]:
    """All of them, by name."""
    ratios = call.world.ratios
    over = Overcommit(cpu=ratios.cpu, ram=ratios.ram, disk=ratios.disk)
    groups: dict[str, set[str]] = {}
    for aggregate in books.aggregates.all():
        for host in aggregate.hosts:
            groups.setdefault(host, set()).add(aggregate.uuid)
    return [provider_of(host, over, frozenset(groups.get(host.name, ()))) for host in books.hosts.hosts()]


def provider(call: Call, books: Books) -> Provider:
    """The one in the path. Raises NotFound."""
    wanted = call.path["uuid"]
    for one in providers(call, books):
        if one.id == wanted:
            return one
    raise NotFound(f"No resource provider with uuid {wanted[:64]} found.")
