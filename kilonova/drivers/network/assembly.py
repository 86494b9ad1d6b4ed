"""One network's namespace, put up and taken down: bridge, rules, DHCP, the metadata listener's socket, the way out.

Every call blocks and belongs in a thread; every call says how it must be in the end and can be repeated. It remembers
nothing: what must stand is told by ``networks.py``. What joins networks is made by ``routers.py``.
"""

import logging
import socket
from collections.abc import Callable, Iterable, Mapping, Set
from pathlib import Path

from msgspec import Struct

from kilonova.drivers.network import conntrack, links, namespaces, nft, rules
from kilonova.drivers.network.conntrack import Flow
from kilonova.drivers.network.dhcp import Dnsmasq, end_any_in
from kilonova.drivers.network.groups import groups_table, track_rules
from kilonova.drivers.network.judge import judge
from kilonova.drivers.network.layout import BRIDGE, METADATA_IP, METADATA_PORT, Layout, Member
from kilonova.drivers.network.outside import Outside, link_prefix
from kilonova.drivers.network.store import NetworkPlace
from kilonova.drivers.network.tables import Table, change, only_adds, whole
from kilonova.drivers.network.taps import join_again
from kilonova.model.fabric import GroupPlan

_log = logging.getLogger(__name__)


class Wanted(Struct, frozen=True, kw_only=True):
    """All that one network's namespace is made from, and the tables that follow from it."""

    layout: Layout
    members: tuple[Member, ...]
    plans: Mapping[str, GroupPlan]
    """The security groups of the members."""
    in_group: Mapping[str, frozenset[str]]
    """Group id → addresses: of the groups that the rules of those name."""
    tables: tuple[Table, Table]
    """Who may send as whom, and what may be sent."""

    def judge(self, gone: Iterable[str] = ()) -> Callable[[Flow], bool]:
        """Says of a conversation whether it may go on; `gone` are addresses that nobody has any more."""
        return judge(self.members, self.plans, lambda group: self.in_group.get(group, frozenset()), self.layout.own, gone)


def wanted(
    layout: Layout, members: tuple[Member, ...], plans: Mapping[str, GroupPlan], in_group: Mapping[str, frozenset[str]]
) -> Wanted:
    """With its tables. Raises BuildFailed."""
    filtered = groups_table(members, plans, lambda group: in_group.get(group, frozenset()))
    return Wanted(layout=layout, members=members, plans=plans, in_group=in_group, tables=(rules.guard(members), filtered))


class Assembly:
    """The networks of one cloud on this machine; DHCP's files lie below `folder`."""

    def __init__(self, cloud: str, folder: Path, outside: Outside, dnsmasq: str) -> None:
        self._prefix, self._dhcp_folder, self._outside, self._dnsmasq = link_prefix(cloud), folder / "dhcp", outside, dnsmasq

    def expect(self, place: NetworkPlace, layout: Layout) -> None:
        """It was there before, and will be put up again."""
        self._outside.expect(place, layout)

    def put_up(self, place: NetworkPlace, wanted: Wanted) -> None:
        """All that belongs to the network itself, and its members. Raises OSError, BuildFailed; half of it may stand then."""
        fresh = namespaces.create(place.namespace)
        if fresh:
            self._outside.part(place.namespace)  # a link of a namespace that somebody took away leads nowhere

        def within() -> None:
            links.furnish(wanted.layout, anew=not fresh)
            tables = "".join(whole(table, anew=not fresh) for table in wanted.tables)
            nft.apply(tables + rules.way(wanted.layout, anew=not fresh) + track_rules(anew=not fresh))
            self.dhcp(place.namespace).serve(wanted.layout, wanted.members, anew=fresh)
            _remove_links("tap", keep={port.tap for port in wanted.members})
            _remove_links("rt", keep=wanted.layout.routers)
            if not fresh:
                _end_conversations(wanted.judge())

        namespaces.inside(place.namespace, within)
        self._outside.join(place, wanted.layout)

    def change(self, place: NetworkPlace, before: Wanted, wanted: Wanted) -> None:
        """From `before` to `wanted`, in a network that stands and whose layout stays; taps of others are cut off.

        Raises OSError, BuildFailed.
        """
        pairs = tuple(zip(before.tables, wanted.tables, strict=True))
        text = "".join(change(old, new) for old, new in pairs)
        gone = {ip for port in before.members for ip in port.ips} - {ip for port in wanted.members for ip in port.ips}

        def within() -> None:
            if text:
                nft.apply(text)
            if before.members != wanted.members:
                self.dhcp(place.namespace).serve(wanted.layout, wanted.members)
            for tap in {port.tap for port in before.members} - {port.tap for port in wanted.members}:
                links.remove_link(tap)
            if not all(only_adds(old, new) for old, new in pairs):
                _end_conversations(wanted.judge(gone))

        namespaces.inside(place.namespace, within)

    def missing(self, place: NetworkPlace, wanted: Wanted) -> str:
        """What of a network that stands somebody has taken away, or has died; empty: all is there."""
        serves = any(subnet.dhcp for subnet in wanted.layout.subnets)
        if not namespaces.exists(place.namespace):
            return "namespace"
        if not namespaces.inside(place.namespace, _has_bridge):
            return "bridge"
        return "DHCP" if serves and self.dhcp(place.namespace).pid() is None else ""

    def mend(self, place: NetworkPlace, wanted: Wanted) -> None:
        """What `missing` named is there again, for the guests that run too. Raises OSError, BuildFailed."""
        inhabitant = self.dhcp(place.namespace).pid()
        if inhabitant is not None and not namespaces.exists(place.namespace):
            namespaces.name_again(place.namespace, inhabitant)  # the guests' taps are in there
        self.put_up(place, wanted)
        namespaces.inside(place.namespace, lambda: join_again(BRIDGE, {port.tap for port in wanted.members}))

    def take_down(self, name: str) -> None:
        """Everything of the network or router whose namespace has this name; what is not there is no error."""
        self._outside.part(name)
        if namespaces.exists(name):
            namespaces.inside(name, _remove_all_links)
            end_any_in(name)
        self.dhcp(name).forget()
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

    def dhcp(self, name: str) -> Dnsmasq:
        """The dnsmasq of the network or router whose namespace has this name."""
        return Dnsmasq(self._dhcp_folder / name, self._dnsmasq)


def _end_conversations(may_go_on: Callable[[Flow], bool]) -> None:
    """What the rules of now would not have let begin."""
    ended = conntrack.end_all_but(may_go_on)
    if ended:
        _log.info("%d conversations ended with the rules that had let them begin", ended)


def _has_bridge() -> bool:
    return any(name == BRIDGE for _, name in socket.if_nameindex())


def _remove_links(prefix: str, keep: Set[str]) -> None:
    """Cut off all taps (or routers) but these. A guest that still runs would keep its tap, and with it the namespace."""
    for link in links.link_names(prefix) - keep:
        links.remove_link(link)


def _remove_all_links() -> None:
    for prefix in ("tap", "rt", "rp"):
        _remove_links(prefix, keep=set())


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
