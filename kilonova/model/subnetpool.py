"""Subnet pools and address scopes: the nouns, what a client asks of them, and which prefix a subnet gets. No query."""

from collections.abc import Sequence
from ipaddress import collapse_addresses, ip_network
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from kilonova.errors import BadRequest, Conflict
from kilonova.model.network_wish import Id, Owned, Text
from kilonova.model.subnet_rules import Net, read_cidr

FEWEST_BITS = {4: 8, 6: 64}
MOST_BITS = {4: 32, 6: 128}
Length = Annotated[int, Meta(ge=0, le=128)]


class AddressScope(Struct, frozen=True, kw_only=True):
    """Where addresses mean the same: no prefix is in two pools of one scope."""

    id: str
    project_id: str
    name: str
    ip_version: int
    shared: bool


class SubnetPool(Struct, frozen=True, kw_only=True):
    id: str
    project_id: str
    name: str
    description: str
    ip_version: int
    prefixes: tuple[str, ...]
    min_prefixlen: int
    max_prefixlen: int
    default_prefixlen: int
    default_quota: int | None
    """How much one project may take: addresses of IPv4, /64 networks of IPv6; None is no limit."""
    shared: bool
    is_default: bool
    address_scope_id: str | None
    tags: tuple[str, ...]
    created_at: float
    updated_at: float
    revision_number: int


class NewAddressScope(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    ip_version: int
    name: Text = ""
    shared: bool = False
    project_id: Text = ""
    tenant_id: Text = ""

    @property
    def owner(self) -> str:
        return self.project_id or self.tenant_id


class AddressScopeChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Text | UnsetType = UNSET
    shared: bool | UnsetType = UNSET


class NewSubnetPool(Owned, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Text
    prefixes: list[Text]
    description: Text = ""
    min_prefixlen: Length | None = None
    max_prefixlen: Length | None = None
    default_prefixlen: Length | None = None
    default_quota: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    shared: bool = False
    is_default: bool = False
    address_scope_id: Id | None = None


class SubnetPoolChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Text | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    prefixes: list[Text] | UnsetType = UNSET
    min_prefixlen: Length | UnsetType = UNSET
    max_prefixlen: Length | UnsetType = UNSET
    default_prefixlen: Length | UnsetType = UNSET
    default_quota: Annotated[int, Meta(ge=0, le=2**31 - 1)] | UnsetType | None = UNSET
    is_default: bool | UnsetType = UNSET
    address_scope_id: Id | UnsetType | None = UNSET


class Lengths(Struct, frozen=True, kw_only=True):
    """How long the prefixes may be that subnets get."""

    least: int
    most: int
    usual: int


def pool_prefixes(wanted: Sequence[str]) -> tuple[int, tuple[str, ...]]:
    """IP version and the prefixes, joined where they touch or overlap. Raises BadRequest."""
    nets = [read_cidr(text, "prefixes") for text in wanted]
    if not nets:
        raise BadRequest("Empty subnet pool prefix list.", kind="EmptySubnetPoolPrefixList")
    versions = {net.version for net in nets}
    if len(versions) > 1:
        raise BadRequest("Cannot mix IPv4 and IPv6 prefixes in a subnet pool.", kind="PrefixVersionMismatch")
    return nets[0].version, joined(wanted)


def joined(prefixes: Sequence[str]) -> tuple[str, ...]:
    """The same addresses in as few prefixes as can be, in order. All are of one IP version."""
    nets: list[Net] = [ip_network(text) for text in prefixes]
    return tuple(str(net) for net in collapse_addresses(nets))  # type: ignore[type-var]


def lengths(version: int, least: int | None, most: int | None, usual: int | None) -> Lengths:
    """With Neutron's defaults for what is not said. Raises BadRequest."""
    low = FEWEST_BITS[version] if least is None else least
    high = MOST_BITS[version] if most is None else most
    middle = low if usual is None else usual
    for name, bits in (("min_prefixlen", low), ("max_prefixlen", high), ("default_prefixlen", middle)):
        if bits > MOST_BITS[version]:
            raise _bounds(name, bits, "max_prefixlen", MOST_BITS[version])
    if low > high:
        raise _bounds("min_prefixlen", low, "max_prefixlen", high)
    if middle < low:
        raise _bounds("default_prefixlen", middle, "min_prefixlen", low)
    if middle > high:
        raise _bounds("default_prefixlen", middle, "max_prefixlen", high)
    return Lengths(least=low, most=high, usual=middle)


def refuse_shrinking(old: Sequence[str], new: Sequence[str]) -> None:
    """A pool grows; what it has, subnets may have from it."""
    if joined([*old, *new]) != joined(new):
        message = "Illegal subnetpool update : Existing prefixes must be a subset of the new prefixes."
        raise BadRequest(message, kind="IllegalSubnetPoolUpdate")


def refuse_length(pool: SubnetPool, bits: int) -> None:
    if bits < pool.min_prefixlen:
        message = f"Unable to allocate subnet with prefix length {bits}, minimum allowed prefix is {pool.min_prefixlen}."
        raise BadRequest(message, kind="MinPrefixSubnetAllocationError")
    if bits > pool.max_prefixlen:
        message = f"Unable to allocate subnet with prefix length {bits}, maximum allowed prefix is {pool.max_prefixlen}."
        raise BadRequest(message, kind="MaxPrefixSubnetAllocationError")


def next_prefix(pool: SubnetPool, taken: Sequence[str], bits: int) -> str:
    """The first prefix of this length in the pool that overlaps nothing taken. Raises Conflict when there is none."""
    used = sorted((int(net.network_address), int(net.broadcast_address)) for net in map(ip_network, taken))
    size = 1 << (MOST_BITS[pool.ip_version] - bits)
    for prefix in map(ip_network, pool.prefixes):
        start, end = int(prefix.network_address), int(prefix.broadcast_address)
        for first, last in used:
            if last >= start and first < start + size:
                start = -(-(last + 1) // size) * size
        if start + size - 1 <= end:
            return f"{type(prefix.network_address)(start)}/{bits}"
    raise allocation_error(f"Insufficient prefix space to allocate subnet size /{bits}")


def refuse_outside(pool: SubnetPool, taken: Sequence[str], net: Net) -> None:
    """A prefix asked for by name lies in the pool, and nobody has any of it."""
    inside = any(_within(net, ip_network(prefix)) for prefix in pool.prefixes)
    if not inside or any(net.overlaps(ip_network(one)) for one in taken):
        raise allocation_error("Cannot allocate requested subnet from the available set of prefixes")


def refuse_over_quota(pool: SubnetPool, mine: Sequence[str], net: Net) -> None:
    """`mine` are the prefixes the project has from this pool."""
    if pool.default_quota is not None:
        used = sum(_weight(ip_network(one)) for one in [*mine, str(net)])
        if used > pool.default_quota:
            raise Conflict("Per-tenant subnet pool prefix quota exceeded.", kind="SubnetPoolQuotaExceeded")


def overlapping(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    return any(ip_network(one).overlaps(ip_network(other)) for one in ours for other in theirs)


def allocation_error(why: str) -> Conflict:
    return Conflict(f"Failed to allocate subnet: {why}.", kind="SubnetAllocationError")


def _within(net: Net, prefix: Net) -> bool:
    return (
        net.version == prefix.version
        and int(prefix.network_address) <= int(net.network_address)
        and (int(net.broadcast_address) <= int(prefix.broadcast_address))
    )


def _weight(net: Net) -> int:
    return net.num_addresses if net.version == 4 else max(1, net.num_addresses >> 64)


def _bounds(name: str, bits: int, base: str, limit: int) -> BadRequest:
    return BadRequest(f"Illegal prefix bounds: {name}={bits}, {base}={limit}.", kind="IllegalSubnetPoolPrefixBounds")
