"""One network's namespace, put up and taken down: bridge, rules, DHCP, the metadata listener's socket, the way out.

Every call blocks and belongs in a thread; every call says how it must be in the end and can be repeated. It remembers
nothing: what must stand is told by ``linux.py``.
"""

import socket
from pathlib import Path

from kilonova.drivers.network import links, namespaces, nft, rules
from kilonova.drivers.network.dhcp import Dnsmasq, end_any_in
from kilonova.drivers.network.layout import BRIDGE, METADATA_IP, METADATA_PORT, Layout, Member
from kilonova.drivers.network.outside import Outside, link_prefix
from kilonova.drivers.network.store import NetworkPlace

Members = tuple[Member, ...]


class Assembly:
    """The networks of one cloud on this machine; DHCP's files lie below `folder`."""

    def __init__(self, cloud: str, folder: Path, outside: Outside, dnsmasq: str) -> None:
        self._prefix, self._dhcp_folder, self._outside, self._dnsmasq = link_prefix(cloud), folder / "dhcp", outside, dnsmasq

    def put_up(self, place: NetworkPlace, layout: Layout, members: Members) -> None:
        """All that belongs to the network itself, and its members. Raises OSError, BuildFailed; half of it may stand then."""
        fresh = namespaces.create(place.namespace)
        if fresh:
            self._outside.part(place.namespace)  # a link of a namespace that somebody took away leads nowhere

        def within() -> None:
            links.furnish(layout)
            nft.apply(rules.network_rules(members, anew=not fresh))
            self._dhcp(place).serve(layout, members, anew=fresh)
            _remove_taps(keep={port.tap for port in members})

        namespaces.inside(place.namespace, within)
        self._outside.join(place)

    def change_members(self, place: NetworkPlace, layout: Layout, before: Members, members: Members) -> None:
        """These members from now on and not `before`, in a network that stands; taps of others are cut off.

        Raises OSError, BuildFailed.
        """

        def within() -> None:
            nft.apply(rules.member_rules(before, members))
            self._dhcp(place).serve(layout, members)
            for tap in {port.tap for port in before} - {port.tap for port in members}:
                links.remove_link(tap)

        namespaces.inside(place.namespace, within)

    def take_down(self, name: str) -> None:
        """Everything of the network whose namespace has this name; what is not there is no error."""
        self._outside.part(name)
        if namespaces.exists(name):
            namespaces.inside(name, lambda: _remove_taps(keep=set()))
            end_any_in(name)
        Dnsmasq(self._dhcp_folder / name).forget()
        namespaces.remove(name)

    def listener(self, place: NetworkPlace) -> socket.socket:
        """A listening socket at 169.254.169.254:80 that only the bridge's guests can reach. Raises OSError."""
        return namespaces.inside(place.namespace, _listen)

    def strays(self, owned: set[str]) -> set[str]:
        """Names of namespaces, outside links and DHCP folders of this cloud that nobody owns."""
        found = namespaces.names(self._prefix) | self._outside.strays(set())
        if self._dhcp_folder.is_dir():
            found |= {entry.name for entry in self._dhcp_folder.iterdir()}
        return found - owned

    def _dhcp(self, place: NetworkPlace) -> Dnsmasq:
        return Dnsmasq(self._dhcp_folder / place.namespace, self._dnsmasq)


def _remove_taps(keep: set[str]) -> None:
    """Cut off all taps but these. A guest that still runs would keep its tap, and with it the namespace."""
    for tap in links.link_names("tap") - keep:
        links.remove_link(tap)


def _listen() -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Not from the uplink: there, addresses mean other people than on the bridge.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, BRIDGE.encode())
        listener.bind((METADATA_IP, METADATA_PORT))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener
