"""The way out of a network: a pair of links into the outside, and the outside's one table that masquerades it.

The outside is this machine itself or a named network namespace. What it had before (IPv4 forwarding) is written down and
put back at the end. A way *in*, where the outside may begin a conversation, there is only to external networks.
"""

import ipaddress
from pathlib import Path

from kilonova.drivers.network import links, namespaces, nft, rules
from kilonova.drivers.network.layout import Layout
from kilonova.drivers.network.store import NetworkPlace
from kilonova.errors import BuildFailed

HOST = "host"
"""The uplink's name for this machine itself."""


class Outside:
    """What networks leave through. `uplink` is None (no way out), ``host``, or a namespace; `transfer` has a /30 for each."""

    def __init__(self, uplink: str | None, cloud: str, transfer: str, folder: Path) -> None:
        self._uplink, self._where = uplink, None if uplink == HOST else uplink
        self._table, self._prefix = f"kilonova_{cloud}", link_prefix(cloud)
        self._transfer = ipaddress.IPv4Network(transfer)
        self._was_off = folder / "forwarding-was-off"
        self._open = False
        self._public: dict[str, tuple[str, ...]] = {}
        """Links that lead to external networks, and the CIDRs behind each."""

    def expect(self, place: NetworkPlace, layout: Layout) -> None:
        """This network was there before and will be joined again: the table leads to it from the first time it is written.

        What began in between would go astray, and stay so: the connection tracker decides only once how to translate it.
        """
        if behind := _behind(layout):
            self._public = {**self._public, place.namespace: behind}

    def join(self, place: NetworkPlace, layout: Layout) -> None:
        """Give this network its way out, if there is one at all; the table comes with the first. Raises OSError, BuildFailed."""
        if self._uplink is None:
            return
        if not layout.leaves:
            self.part(place.namespace)
            return
        first = int(self._transfer.network_address) + 4 * place.index
        if first + 3 > int(self._transfer.broadcast_address):
            raise BuildFailed("There is no room for another network with a way out.")
        behind = _behind(layout)
        if not self._open:
            namespaces.inside(self._where, self._prepare)
            self._open = True
        links.join_outside(self._where, place.namespace, ipaddress.IPv4Network((first, 30)), behind)
        self._publish(place.namespace, behind)

    def part(self, name: str) -> None:
        """Take away the link of the network whose namespace has this name; none there is no error."""
        if self._is_there():
            namespaces.inside(self._where, lambda: links.remove_link(name))
            self._publish(name, ())

    def strays(self, owned: set[str]) -> set[str]:
        """Links that lead to networks nobody owns."""
        if not self._is_there():
            return set()
        return namespaces.inside(self._where, lambda: links.link_names(self._prefix)) - owned

    def close(self) -> None:
        """Take the table away and put forwarding back as it was."""
        if self._is_there():
            namespaces.inside(self._where, self._restore)
        self._open = False

    def _is_there(self) -> bool:
        return self._uplink is not None and (self._where is None or namespaces.exists(self._where))

    def _publish(self, name: str, behind: tuple[str, ...]) -> None:
        """Others may begin to talk to these CIDRs by this link, or to nobody by it any more."""
        if self._public.get(name, ()) != behind:
            others = {key: cidrs for key, cidrs in self._public.items() if key != name}
            self._public = {**others, name: behind} if behind else others
            namespaces.inside(self._where, self._apply)

    def _prepare(self) -> None:
        if not links.forwarding():
            self._was_off.touch()
            links.forwarding(turn_on=True)
        self._apply()

    def _apply(self) -> None:
        nft.apply(rules.outside_rules(self._table, str(self._transfer), self._prefix, self._public))

    def _restore(self) -> None:
        nft.apply(rules.no_outside_rules(self._table))
        if self._was_off.exists():
            links.forwarding(turn_on=False)
            self._was_off.unlink()


def _behind(layout: Layout) -> tuple[str, ...]:
    """The CIDRs that the outside may begin to talk to."""
    return tuple(subnet.cidr for subnet in layout.subnets if subnet.version == 4) if layout.external else ()


def link_prefix(cloud: str) -> str:
    """What the names of this cloud's namespaces and outside links begin with."""
    return f"kn{cloud}-"
