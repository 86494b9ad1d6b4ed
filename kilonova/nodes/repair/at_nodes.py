"""What nodes are told to take away: what a hello would be answered, and what only a repair asks for. On control.

What a node has and the ledger never heard of goes only when `unknown` says so: docs/decisions/0005 and 0014.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from kilonova.build.admit import OrderWorld
from kilonova.ledger.transaction import Transaction
from kilonova.lifecycle.audit.asking import NodeInventory, Tidy
from kilonova.lifecycle.audit.finding import Finding
from kilonova.lifecycle.inventory import SETTLED_S, Hello, Leftover, Welcome, compare
from kilonova.lifecycle.remove import Removal
from kilonova.model.ids import HostName, NodeName, ServerId
from kilonova.nodes.audit import Seen
from kilonova.nodes.repair.case import NEEDS_WORD, LeftAlone

LEFTOVERS = (
    "guest without server",
    "disks without server",
    "guest of a failed server",
    "disks of a failed server",
    "guest on the wrong host",
    "disks on the wrong host",
)
POWER = ("active without guest", "stopped with guest")
UNKNOWN_ON_HOST = ("unknown guest", "unknown disks", "unknown saga")
UNKNOWN = (*UNKNOWN_ON_HOST, "unknown wire", "volume files without volume")
STRAYS = ("process of nobody", "remains of a network", "half a volume")
AT_NODES = (
    *LEFTOVERS,
    *POWER,
    *UNKNOWN_ON_HOST,
    *STRAYS,
    "wire without server",
    "unknown wire",
    "disks of a resize that is over",
    "report nobody takes",
    "volume served to nobody",
)


class Errand(Struct):
    """What one node is told, gathered finding by finding; and what is said about each."""

    node: NodeInventory
    welcome: Welcome
    leftovers: list[Leftover] = field(default_factory=list)
    unwire: list[ServerId] = field(default_factory=list)
    spares: list[Leftover] = field(default_factory=list)
    exports: dict[str, str] = field(default_factory=dict)
    strays: list[str] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    """What goes into the queues of its hosts: a removal stops and undoes what goes on first."""
    say_again: bool = False

    def message(self) -> Tidy | None:
        """None when there is nothing to be told."""
        tidy = Tidy(
            leftovers=tuple(dict.fromkeys(self.leftovers)),
            unwire=tuple(dict.fromkeys(self.unwire)),
            spares=tuple(self.spares),
            exports=self.exports,
            strays=tuple(self.strays),
            say_again=self.say_again,
        )
        return None if tidy == Tidy() else tidy


def greet(told: NodeInventory, tx: Transaction, world: OrderWorld) -> Welcome:
    """What this node would be answered if it said hello now: power states follow, and leftovers are named."""
    hello = Hello(
        node=told.node,
        role=told.role,
        at=world.desk.now + SETTLED_S + 1,  # what was found was found twice: it has settled
        first=False,
        hosts=told.hosts,
        wired=told.wired,
        working_on=tuple(saga.server_id for saga in told.sagas),
    )
    return compare(hello, world, tx.orders.open_servers())


def errand_of(finding: Finding, errands: Sequence[Errand]) -> Errand:
    """The node that a finding is about. Raises LeftAlone when it does not answer."""
    for errand in errands:
        hosts = {one.facts.host for one in errand.node.hosts}
        if finding.host in hosts | {errand.node.node}:
            return errand
    raise LeftAlone("its node does not answer")


def add(finding: Finding, errand: Errand, seen: Seen, unknown: bool) -> str:
    """What is done about this finding. Raises LeftAlone."""
    kind, server_id = finding.kind, ServerId(finding.about)
    if kind in UNKNOWN and not unknown:
        raise LeftAlone(NEEDS_WORD)
    if kind in LEFTOVERS:
        return _leftover(finding, errand, seen)
    if kind == "unknown saga":
        errand.removals.append(_removal(finding, errand, seen))
        return f"{finding.host} stops and undoes it"
    if kind in UNKNOWN_ON_HOST:
        errand.leftovers.append(Leftover(server_id=server_id, host=HostName(finding.host), attempt=0))
        return f"{finding.host} takes away what it has of it"
    if kind in ("wire without server", "unknown wire"):
        if kind == "wire without server" and server_id not in errand.welcome.unwire:
            raise LeftAlone("something is under way for it just now")
        errand.unwire.append(server_id)
        return f"{finding.host} cuts its wires"
    if kind == "disks of a resize that is over":
        errand.spares.append(Leftover(server_id=server_id, host=HostName(finding.host), attempt=0))
        return "the disks from before are dropped"
    if kind in STRAYS:
        return _stray(finding, errand, seen, unknown)
    return _other(finding, errand, seen, unknown)


def _other(finding: Finding, errand: Errand, seen: Seen, unknown: bool) -> str:
    if finding.kind == "volume served to nobody":
        if not unknown and any(one.kind in UNKNOWN for one in seen.findings):
            raise LeftAlone(f"nodes have what the ledger does not know: {NEEDS_WORD}")
        errand.exports[finding.about] = errand.node.exports[finding.about]
        return "it is served to nobody any more"
    if finding.kind == "report nobody takes":
        errand.say_again = True
        return f"{finding.host} says it again"
    return "its state follows its guest"  # POWER: the greeting itself has seen to it


def _leftover(finding: Finding, errand: Errand, seen: Seen) -> str:
    mine = [one for one in errand.welcome.leftovers if (one.server_id, one.host) == (finding.about, finding.host)]
    claimed: Mapping[str, str] = {claim.server_id: claim.host for claim in seen.view.claims}
    if finding.kind.endswith("on the wrong host") and claimed.get(finding.about) == finding.host:
        raise LeftAlone("its room is held here: which host is the right one is not known")
    if not mine:
        raise LeftAlone("something is under way for it just now")
    errand.leftovers += mine
    return f"{finding.host} takes away what it has of it"


def _removal(finding: Finding, errand: Errand, seen: Seen) -> Removal:
    """As at a server's end; its attempt is that of what goes on."""
    key = next(saga.key for saga in errand.node.sagas if saga.server_id == finding.about)
    networks = [one.node for one in seen.told if one.role == "network"]
    return Removal(
        server_id=ServerId(finding.about),
        host=HostName(finding.host),
        node=errand.node.node,
        network_node=networks[0] if networks else NodeName(""),
        attempt=int(key.split("/")[1]),
        reason="unknown to the ledger",
    )


def _stray(finding: Finding, errand: Errand, seen: Seen, unknown: bool) -> str:
    if finding.kind == "process of nobody" and finding.about not in seen.view.deleted and not unknown:
        raise LeftAlone("its server is not deleted: it may be that server's only guest")
    errand.strays.append(finding.about)
    return f"{finding.host} ends it"
