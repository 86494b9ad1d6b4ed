"""Which other servers a server wants to be near, as hosts: from a group's policy or a hint to what `choose` goes by. Pure."""

from collections.abc import Mapping

from msgspec import Struct, field

from kilonova.model.server_group import AFFINITY, ANTI_AFFINITY, SOFT_AFFINITY, SOFT_ANTI_AFFINITY, ServerGroup


class Company(Struct, frozen=True, kw_only=True):
    """`only` None: any host. `liking`: host → how much it is preferred; 0 for those that are not named."""

    only: frozenset[str] | None = None
    never: frozenset[str] = frozenset()
    liking: dict[str, int] = field(default_factory=dict)


ANYWHERE = Company()


def of_group(group: ServerGroup, members: Mapping[str, int]) -> Company:
    """`members`: host → how many of the group's servers are there now."""
    if group.policy == AFFINITY and members:
        return Company(only=frozenset(members))
    if group.policy == ANTI_AFFINITY:
        return Company(never=frozenset(host for host, count in members.items() if count >= group.most_on_one_host))
    if group.policy == SOFT_AFFINITY:
        return Company(liking=dict(members))
    if group.policy == SOFT_ANTI_AFFINITY:
        return Company(liking={host: -count for host, count in members.items()})
    return ANYWHERE


def together(one: Company, other: Company) -> Company:
    """Both at once."""
    wanted = [company.only for company in (one, other) if company.only is not None]
    only = frozenset.intersection(*wanted) if wanted else None
    return Company(only=only, never=one.never | other.never, liking={**one.liking, **other.liking})
