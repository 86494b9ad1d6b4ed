"""Which address a port gets: never twice the same, and one that was given back as late as possible.

Each pool has a mark; from there on no address was ever chosen, so the next one is the mark itself, whatever the pool holds.
When the marks have reached the ends, the address that has been free longest is taken. So a choice costs the same at ten ports
and at ten thousand, and a guest whose lease still runs does not meet a stranger with its address.
What a client asks for by name may lie beyond a mark; the mark steps over it when it gets there. Knows no port but by its id.
"""

from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, and_, bindparam, delete, exists, insert, select, update
from sqlalchemy.sql.dml import Insert

from kilonova.errors import BadRequest, Conflict, NoMoreAddresses
from kilonova.ledger.network_listing import chunks
from kilonova.ledger.network_tables import freed_addresses, port_addresses, subnet_pools, subnets
from kilonova.model.network import HostRoute, Pool
from kilonova.model.port import Address
from kilonova.model.port_rules import address_from_mac
from kilonova.model.subnet_rules import SELF_GIVEN, in_pool, read_ip, refuse_unusable

LOOK_AHEAD = 256


class SubnetState(Struct, frozen=True, kw_only=True):
    """A subnet as a choice needs it. `next_ip` is the mark of its first pool that is not used up, None when there is none."""

    id: str
    network_id: str
    ip_version: int
    cidr: str
    gateway_ip: str | None
    enable_dhcp: bool
    ipv6_address_mode: str | None
    dns_nameservers: list[str]
    host_routes: list[dict[str, str]]
    pool: int | None
    next_ip: str | None
    last_ip: str | None
    taken: bool
    """The mark itself is taken: someone asked for it by name."""

    @property
    def self_given(self) -> bool:
        return self.ipv6_address_mode in SELF_GIVEN

    def address(self, ip: str) -> Address:
        """One address of this subnet as a build needs it."""
        return Address(
            subnet_id=self.id,  # type: ignore[arg-type]
            ip=ip,
            cidr=self.cidr,
            gateway=self.gateway_ip,
            dns=tuple(self.dns_nameservers),
            host_routes=tuple((route["destination"], route["nexthop"]) for route in self.host_routes),
            dhcp=self.enable_dhcp,
        )


Choice = tuple[SubnetState, str]

_TAKEN = exists().where(
    port_addresses.c.subnet_id == subnet_pools.c.subnet_id, port_addresses.c.ip_address == subnet_pools.c.next_ip
)
_STATES = (
    select(
        subnets.c.id,
        subnets.c.network_id,
        subnets.c.ip_version,
        subnets.c.cidr,
        subnets.c.gateway_ip,
        subnets.c.enable_dhcp,
        subnets.c.ipv6_address_mode,
        subnets.c.dns_nameservers,
        subnets.c.host_routes,
        subnet_pools.c.position.label("pool"),
        subnet_pools.c.next_ip,
        subnet_pools.c.last_ip,
        _TAKEN.label("taken"),
    )
    .select_from(
        subnets.outerjoin(subnet_pools, and_(subnet_pools.c.subnet_id == subnets.c.id, subnet_pools.c.next_ip.is_not(None)))
    )
    .order_by(subnets.c.created_at, subnets.c.id, subnet_pools.c.position)
)
_STATES_OF = _STATES.where(subnets.c.network_id == bindparam("network"))
_STATES_BY_ID = _STATES.where(subnets.c.id.in_(bindparam("subnets", expanding=True)))
_SET_MARK = (
    update(subnet_pools)
    .where(subnet_pools.c.subnet_id == bindparam("subnet"), subnet_pools.c.position == bindparam("pool"))
    .values(next_ip=bindparam("mark"))
)
_INSERT: Insert = insert(port_addresses)
_IS_OF_PORTS = port_addresses.c.port_id.in_(bindparam("ports", expanding=True))
_OF_PORTS = select(port_addresses.c.subnet_id, port_addresses.c.ip_address).where(_IS_OF_PORTS)
_RELEASE = delete(port_addresses).where(_IS_OF_PORTS)
_TAKEN_OF = select(port_addresses.c.ip_address).where(
    port_addresses.c.subnet_id == bindparam("subnet"), port_addresses.c.ip_address.in_(bindparam("ips", expanding=True))
)
_POOLS_OF = select(subnet_pools).where(subnet_pools.c.subnet_id.in_(bindparam("subnets", expanding=True)))
_OPEN_POOLS = (
    select(subnet_pools)
    .where(subnet_pools.c.subnet_id == bindparam("subnet"), subnet_pools.c.next_ip.is_not(None))
    .order_by(subnet_pools.c.position)
)
_FREED: Insert = insert(freed_addresses)
_LONGEST_FREE = (
    select(freed_addresses).where(freed_addresses.c.subnet_id == bindparam("subnet")).order_by(freed_addresses.c.id).limit(1)
)
_NOT_FREE = delete(freed_addresses).where(freed_addresses.c.id == bindparam("row"))
_CLAIMED = delete(freed_addresses).where(
    freed_addresses.c.subnet_id == bindparam("subnet"), freed_addresses.c.ip_address == bindparam("ip")
)
# These are built once: at thousands of ports a second, writing a statement costs more than running it.


class Addresses:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def states(self, network_id: str) -> Sequence[SubnetState]:
        """The subnets of a network, oldest first."""
        found: dict[str, SubnetState] = {}
        for row in self._connection.execute(_STATES_OF, {"network": network_id}):
            if row.id not in found:
                found[row.id] = SubnetState(**row._mapping)
        return list(found.values())

    def states_by_id(self, subnet_ids: Sequence[str]) -> dict[str, SubnetState]:
        """These subnets, whatever network they are in."""
        rows = self._connection.execute(_STATES_BY_ID, {"subnets": sorted(set(subnet_ids))})
        return {row.id: SubnetState(**row._mapping) for row in rows}

    def choose(self, states: Sequence[SubnetState], mac: str) -> list[Choice]:
        """What a port gets that asks for nothing: one IPv4 address, one IPv6 address, and those it gives itself."""
        chosen: list[Choice] = []
        for version in (4, 6):
            candidates = [state for state in states if state.ip_version == version and not state.self_given]
            if candidates:
                chosen.append(self._first_with_room(candidates))
        chosen.extend((state, self.claim(state, address_from_mac(state.cidr, mac))) for state in states if state.self_given)
        return chosen

    def claim(self, state: SubnetState, wanted: str) -> str:
        """This very address. Raises BadRequest, or Conflict when it is taken."""
        ip = str(refuse_unusable(wanted, ip_network(state.cidr)))
        if self._taken(state.id, [ip]):
            message = f"Unable to complete operation for network {state.network_id}. The IP address {ip} is in use."
            raise Conflict(message, kind="IpAddressInUse")
        self._connection.execute(_CLAIMED, {"subnet": state.id, "ip": ip})
        return ip

    def take(self, state: SubnetState) -> str | None:
        """The next address of this subnet, or None when all are taken."""
        if state.next_ip is not None and state.last_ip is not None and not state.taken:
            self._set_mark(state.id, state.pool, _following(state.next_ip, state.last_ip))
            return state.next_ip
        return self._beyond_marks(state.id) or self._longest_free(state.id)

    def has_room(self, subnet_id: str) -> bool:
        """Whether an address could be chosen here."""
        pools = select(subnet_pools.c.subnet_id).where(subnet_pools.c.subnet_id == subnet_id, subnet_pools.c.next_ip.is_not(None))
        freed = select(freed_addresses.c.id).where(freed_addresses.c.subnet_id == subnet_id)
        return any(self._connection.execute(query.limit(1)).first() for query in (pools, freed))

    def subnet_of(self, states: Sequence[SubnetState], ip: str) -> SubnetState:
        """The subnet an address lies in. Raises BadRequest."""
        address = read_ip(ip, "ip_address")
        for state in states:
            if address in ip_network(state.cidr):
                return state
        message = f"IP address {ip} is not a valid IP for any of the subnets on the specified network."
        raise BadRequest(message, kind="InvalidIpForNetwork")

    def record(self, port_id: str, chosen: Sequence[Choice], position: int = 0) -> None:
        rows = [
            {"subnet_id": state.id, "ip_address": ip, "port_id": port_id, "position": position + index}
            for index, (state, ip) in enumerate(chosen)
        ]
        if rows:
            self._connection.execute(_INSERT, rows)

    def release(self, port_ids: Sequence[str]) -> None:
        """The addresses of these ports are free again."""
        for some in chunks(port_ids):
            freed = [(row.subnet_id, row.ip_address) for row in self._connection.execute(_OF_PORTS, {"ports": some})]
            self._connection.execute(_RELEASE, {"ports": some})
            self._keep_for_later(freed)

    def release_some(self, port_id: str, addresses: Sequence[tuple[str, str]]) -> None:
        """These (subnet, address) pairs of one port are free again."""
        for subnet_id, ip in addresses:
            here = (port_addresses.c.subnet_id == subnet_id) & (port_addresses.c.ip_address == ip)
            self._connection.execute(delete(port_addresses).where(here, port_addresses.c.port_id == port_id))
        self._keep_for_later(addresses)

    def set_pools(self, subnet_id: str, pools: Sequence[Pool]) -> None:
        """New pools begin at their first address; what is taken there is stepped over."""
        self._connection.execute(delete(freed_addresses).where(freed_addresses.c.subnet_id == subnet_id))
        self._connection.execute(delete(subnet_pools).where(subnet_pools.c.subnet_id == subnet_id))
        rows = [
            {"subnet_id": subnet_id, "position": index, "first_ip": pool.start, "last_ip": pool.end, "next_ip": pool.start}
            for index, pool in enumerate(pools)
        ]
        if rows:
            self._connection.execute(insert(subnet_pools), rows)

    def _first_with_room(self, states: Sequence[SubnetState]) -> Choice:
        for state in states:
            ip = self.take(state)
            if ip is not None:
                return state, ip
        raise NoMoreAddresses(
            f"No more IP addresses available on network {states[0].network_id}.", kind="IpAddressGenerationFailure"
        )

    def _beyond_marks(self, subnet_id: str) -> str | None:
        """Step over what was asked for by name, pool after pool."""
        for pool in self._connection.execute(_OPEN_POOLS, {"subnet": subnet_id}).all():
            mark: str | None = pool.next_ip
            while mark is not None:
                candidates = _run(mark, pool.last_ip)
                taken = self._taken(subnet_id, candidates)
                free = next((ip for ip in candidates if ip not in taken), None)
                mark = _following(free or candidates[-1], pool.last_ip)
                if free is not None:
                    self._set_mark(subnet_id, pool.position, mark)
                    return free
            self._set_mark(subnet_id, pool.position, None)
        return None

    def _longest_free(self, subnet_id: str) -> str | None:
        row = self._connection.execute(_LONGEST_FREE, {"subnet": subnet_id}).first()
        if row is None:
            return None
        self._connection.execute(_NOT_FREE, {"row": row.id})
        return str(row.ip_address)

    def _keep_for_later(self, freed: Sequence[tuple[str, str]]) -> None:
        """What lies below a mark is remembered; what lies beyond comes by itself."""
        subnet_ids = sorted({subnet_id for subnet_id, _ in freed})
        pools = self._connection.execute(_POOLS_OF, {"subnets": subnet_ids}).all() if freed else ()
        rows = [
            {"subnet_id": subnet_id, "ip_address": ip}
            for subnet_id, ip in freed
            if any(pool.subnet_id == subnet_id and _below_mark(ip, pool) for pool in pools)
        ]
        if rows:
            self._connection.execute(_FREED, rows)

    def _taken(self, subnet_id: str, ips: Sequence[str]) -> set[str]:
        return set(self._connection.execute(_TAKEN_OF, {"subnet": subnet_id, "ips": ips}).scalars())

    def _set_mark(self, subnet_id: str, pool: int | None, mark: str | None) -> None:
        self._connection.execute(_SET_MARK, {"subnet": subnet_id, "pool": pool, "mark": mark})


def _following(ip: str, last: str) -> str | None:
    return None if ip == last else str(ip_address(ip) + 1)


def _run(first: str, last: str) -> list[str]:
    start, end = ip_address(first), ip_address(last)
    return [str(start + step) for step in range(min(LOOK_AHEAD, int(end) - int(start) + 1))]


def _below_mark(ip: str, pool: Any) -> bool:
    address = ip_address(ip)
    if not in_pool(address, Pool(start=pool.first_ip, end=pool.last_ip)):
        return False
    return pool.next_ip is None or int(address) < int(ip_address(pool.next_ip))


def routes_of(stored: Sequence[dict[str, str]]) -> tuple[HostRoute, ...]:
    return tuple(HostRoute(destination=route["destination"], nexthop=route["nexthop"]) for route in stored)
