"""QEMU's own user networking, for a machine where we are not root: a way out for each guest, and ssh on a loopback port.

Guests do not see each other, and nothing answers at 169.254.169.254, though each has the address that the API shows: such a
guest gets a config drive. This driver only keeps the loopback ports apart; QEMU does the rest. There is nothing between two
guests that a router could lead to, so routers are refused; security groups are noted and filter nothing.
"""

import asyncio
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from kilonova.drivers.network.remembered import RememberedFabric
from kilonova.errors import BuildFailed
from kilonova.model.fabric import RouterPlan
from kilonova.model.ids import PortId, ServerId
from kilonova.model.port import Port, Wire

_Reserved = dict[ServerId, dict[PortId, int]]


class UserNetwork(RememberedFabric):
    """Loopback ports out of `ssh_ports`, remembered in the file `state`. One process at a time."""

    def __init__(self, state: Path, ssh_ports: range = range(22100, 26100)) -> None:
        super().__init__(state.with_name(f"{state.name}.fabric"))
        self._state, self._ssh_ports = state, ssh_ports
        self._lock = asyncio.Lock()
        self._reserved = reserved_ports(state)

    async def wire(self, server_id: ServerId, ports: tuple[Port, ...], documents: Mapping[str, bytes]) -> tuple[Wire, ...]:
        """A wire per port, of kind ``user``, each with a loopback port of its own that stays the same. Raises BuildFailed."""
        async with self._lock:
            mine = self._reserved.get(server_id, {})
            taken = {number for one in self._reserved.values() for number in one.values()}
            free = (number for number in self._ssh_ports if number not in taken and _is_free(number))
            wanted = {port.id: mine[port.id] if port.id in mine else _next(free) for port in ports}
            await self._remember({**self._reserved, server_id: wanted})
        return tuple(
            Wire(port_id=port.id, mac=port.mac, mtu=port.mtu, kind="user", addresses=port.addresses, ssh_port=wanted[port.id])
            for port in ports
        )

    async def unwire(self, server_id: ServerId) -> None:
        """Give its loopback ports back; none there is no error."""
        async with self._lock:
            if server_id in self._reserved:
                await self._remember({known: one for known, one in self._reserved.items() if known != server_id})
        self.forget(server_id)

    async def take_router(self, plan: RouterPlan) -> int:
        """Only one of which nothing must stand. Raises BuildFailed."""
        if plan.up and (plan.inside or plan.gateway):
            raise BuildFailed("The network node uses QEMU's user networking, where there are no routers.")
        return await super().take_router(plan)

    async def inventory(self) -> set[ServerId]:
        """The servers that have a loopback port here."""
        return set(self._reserved)

    async def close(self, keep: bool) -> None:
        """`keep`: nothing to do, the guests' ports are remembered; else all are given back."""
        async with self._lock:
            if not keep:
                await self._remember({})
                self.forget_all()

    async def _remember(self, reserved: _Reserved) -> None:
        await asyncio.to_thread(_write, self._state, reserved)
        self._reserved = reserved


def _next(free: Iterable[int]) -> int:
    for number in free:
        return number
    raise BuildFailed("No loopback port is free for this server.")


def _is_free(number: int) -> bool:
    """True when nobody listens there now; a guest that has not started yet is known from the state file."""
    with socket.socket() as trial:
        # As QEMU binds it: a port whose last connection is still in TIME_WAIT can be taken.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", number))
        except OSError:
            return False
    return True


def reserved_ports(state: Path) -> _Reserved:
    """Server → port → loopback port, as the file says."""
    try:
        return msgspec.json.decode(state.read_bytes(), type=_Reserved)
    except (FileNotFoundError, msgspec.DecodeError):
        return {}


def _write(state: Path, reserved: _Reserved) -> None:
    state.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = state.with_name(state.name + ".new")
    fresh.write_bytes(msgspec.json.encode(reserved))
    fresh.replace(state)
