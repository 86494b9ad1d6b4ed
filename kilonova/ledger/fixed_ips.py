"""The addresses a port asks for: given when it is made, changed later. Which of a pool's is next is in addresses.py."""

from collections.abc import Sequence

from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import Connection

from kilonova.errors import Conflict
from kilonova.ledger.addresses import Addresses, Choice, SubnetState
from kilonova.model.network import FixedIp
from kilonova.model.network_wish import FixedIpWish
from kilonova.model.port_rules import address_from_mac
from kilonova.model.subnet_rules import invalid_input, read_ip

MAX_FIXED_IPS = 5


class Holder(Struct, frozen=True, kw_only=True):
    """The port that gets addresses. A router's are chosen by the network, never by its MAC."""

    port_id: str
    network_id: str
    mac: str
    is_router: bool = False


class FixedIps:
    def __init__(self, connection: Connection) -> None:
        self._addresses = Addresses(connection)

    def give(self, holder: Holder, wanted: Sequence[FixedIpWish] | UnsetType | None) -> None:
        """What a new port asks for; UNSET is one address of each version. Raises BadRequest, Conflict, NoMoreAddresses."""
        if wanted is UNSET:
            states = self._addresses.states(holder.network_id)
            self._addresses.record(holder.port_id, self._addresses.choose(states, holder.mac))
            return
        _refuse_too_many(wanted or ())
        # Those that name an address first: what is chosen must not be what another entry asks for by name.
        for position, wish in enumerate(sorted(wanted or (), key=lambda one: one.ip_address is None)):
            self._give_one(holder, wish, position)

    def change(self, holder: Holder, have: Sequence[FixedIp], wanted: Sequence[FixedIpWish]) -> list[str]:
        """Keep what is asked for again, give back the rest, then choose what is new. Answers the addresses given back."""
        _refuse_too_many(wanted)
        kept: list[FixedIp] = []
        fresh: list[FixedIpWish] = []
        for wish in sorted(wanted, key=lambda one: one.ip_address is None):
            match = next((one for one in have if one not in kept and _is(one, wish)), None)
            if match is not None:
                kept.append(match)
            else:
                fresh.append(wish)
        gone = [(one.subnet_id, one.ip_address) for one in have if one not in kept]
        self._addresses.release_some(holder.port_id, gone)
        for position, wish in enumerate(fresh, start=len(have)):
            self._give_one(holder, wish, position)
        return [ip for _, ip in gone]

    def has_room(self, subnet_id: str) -> bool:
        return self._addresses.has_room(subnet_id)

    def release(self, port_ids: Sequence[str]) -> None:
        """All addresses of these ports are free again."""
        self._addresses.release(port_ids)

    def _give_one(self, holder: Holder, wish: FixedIpWish, position: int) -> None:
        # Read again for each: the one before may have moved a mark.
        states = self._addresses.states(holder.network_id)
        self._addresses.record(holder.port_id, [self._choice(states, holder, wish)], position)

    def _choice(self, states: Sequence[SubnetState], holder: Holder, wish: FixedIpWish) -> Choice:
        if wish.subnet_id is None and wish.ip_address is None:
            raise invalid_input("IP allocation requires subnet_id or ip_address")
        if wish.subnet_id is None:
            state = self._addresses.subnet_of(states, wish.ip_address or "")
        else:
            known = next((state for state in states if state.id == wish.subnet_id), None)
            if known is None:
                why = f"Failed to create port on network {holder.network_id}, because fixed_ips included invalid subnet"
                raise invalid_input(f"{why} {wish.subnet_id}")
            state = known
        own_way = state.self_given and not holder.is_router
        if wish.ip_address is None and not own_way:
            ip = self._addresses.take(state)
            if ip is None:
                message = f"No more IP addresses available on network {state.network_id}."
                raise Conflict(message, kind="IpAddressGenerationFailure")
            return state, ip
        own = address_from_mac(state.cidr, holder.mac) if own_way else None
        wanted = wish.ip_address or own or ""
        if own is not None and str(read_ip(wanted, "ip_address")) != own:
            message = (
                f"IPv6 address {wanted} can not be directly assigned to a port on subnet {state.id} with automatic addresses"
            )
            raise invalid_input(message)
        return state, self._addresses.claim(state, wanted)


def _refuse_too_many(wanted: Sequence[FixedIpWish]) -> None:
    if len(wanted) > MAX_FIXED_IPS:
        raise invalid_input(f"Exceeded maximum amount of fixed ips per port: {MAX_FIXED_IPS}")


def _is(have: FixedIp, wish: FixedIpWish) -> bool:
    if wish.ip_address is not None and str(read_ip(wish.ip_address, "ip_address")) != have.ip_address:
        return False
    return (wish.subnet_id or have.subnet_id) == have.subnet_id and not (wish.subnet_id is None and wish.ip_address is None)
