"""How a wire is plugged into QEMU: the ``-netdev`` argument, and the open files it needs.

It makes no taps and no bridges: opening a tap is a function it is given, because drivers do not know each other.
"""

import os
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Protocol

from msgspec import Struct

from kilonova.errors import BuildFailed
from kilonova.model.port import Address, Wire


class PlugEnd(Struct, frozen=True):
    """QEMU's end of a wire. `netdev` is the value of ``-netdev`` without its id; `fds` are inherited under the same numbers."""

    netdev: str
    fds: tuple[int, ...] = ()

    def close(self) -> None:
        """Close our copies, once QEMU has its own, or will never have."""
        for fd in self.fds:
            os.close(fd)


class Plugs(Protocol):
    """Opens QEMU's end of a wire."""

    def open(self, wire: Wire) -> PlugEnd:
        """Blocks for a moment. Raises BuildFailed."""
        ...


class TapPlugs:
    """Wires of kind ``tap``: `open_tap` opens the tap in the wire's namespace, on its bridge; it goes with its last holder."""

    def __init__(self, open_tap: Callable[[Wire], int]) -> None:
        self._open_tap = open_tap

    def open(self, wire: Wire) -> PlugEnd:
        """The opened tap. Raises BuildFailed."""
        try:
            fd = self._open_tap(wire)
        except OSError as error:
            raise BuildFailed("The server's port could not be connected to its network.") from error
        return PlugEnd(f"tap,fd={fd},vhost=off", (fd,))


class UserPlugs:
    """Wires of kind ``user``: QEMU's own network stack, which needs no rights.

    The guest gets exactly the wire's address by DHCP. Port 22 is reached by the wire's loopback port, if it names one.
    """

    def open(self, wire: Wire) -> PlugEnd:
        """The arguments for the wire's first IPv4 address. Raises BuildFailed when it has none, or its subnet is too small."""
        address = next((one for one in wire.addresses if ":" not in one.ip), None)
        if address is None:
            raise BuildFailed("User networking needs a port with an IPv4 address.")
        network = IPv4Network(address.cidr, strict=False)
        host, dns = _other_addresses(network, address)
        forward = f",hostfwd=tcp:127.0.0.1:{wire.ssh_port}-:22" if wire.ssh_port else ""
        return PlugEnd(f"user,net={network},dhcpstart={address.ip},host={host},dns={dns},ipv6=off,restrict=off{forward}")


class PlugsByKind:
    """Chooses by the wire's kind, e.g. ``{"user": UserPlugs(), "tap": TapPlugs(open_tap)}``."""

    def __init__(self, kinds: Mapping[str, Plugs]) -> None:
        self._kinds = kinds

    def open(self, wire: Wire) -> PlugEnd:
        """Raises BuildFailed when this host has no plugs of that kind."""
        if wire.kind not in self._kinds:
            raise BuildFailed("This host cannot be connected to the server's network.")
        return self._kinds[wire.kind].open(wire)


def _other_addresses(network: IPv4Network, address: Address) -> tuple[IPv4Address, IPv4Address]:
    """The gateway and a name server inside the subnet; both are QEMU itself and may not be the guest's own address."""
    taken = {IPv4Address(address.ip)}
    chosen = []
    for wish in (address.gateway, None):
        free = (one for one in network.hosts() if one not in taken)
        one = IPv4Address(wish) if wish and IPv4Address(wish) not in taken else next(free, None)
        if one is None:
            raise BuildFailed("The subnet is too small for user networking.")
        taken.add(one)
        chosen.append(one)
    return chosen[0], chosen[1]
