"""One finding in hand: what was seen, the transaction to mend it in, and how to say that it is not to be mended."""

from collections.abc import Callable

from msgspec import Struct

from kilonova.build.admit import OrderWorld
from kilonova.build.volumes import volume_terms
from kilonova.errors import KilonovaError
from kilonova.ledger.mending import RepairBook
from kilonova.ledger.transaction import Transaction
from kilonova.lifecycle.audit.finding import Finding
from kilonova.lifecycle.volume_books import VolumeWorld
from kilonova.nodes.audit import Seen

NEEDS_WORD = "the ledger does not know it and may be older than the node: `--unknown` takes it away"


class LeftAlone(KilonovaError):
    """This finding is not mended, and this is why."""


class Case(Struct, frozen=True):
    """One finding, in a transaction of its own. `unknown`: what the ledger never heard of may go."""

    finding: Finding
    seen: Seen
    tx: Transaction
    world: OrderWorld
    unknown: bool

    @property
    def about(self) -> str:
        return self.finding.about

    @property
    def now(self) -> float:
        return self.world.desk.now

    @property
    def book(self) -> RepairBook:
        return RepairBook(self.tx.connection)

    @property
    def volume_world(self) -> VolumeWorld:
        return VolumeWorld(books=self.tx, terms=volume_terms(self.world.desk))

    def refuse_busy(self, server_id: str) -> None:
        """Raises LeftAlone when something is under way for it by now."""
        if server_id in self.tx.orders.open_servers():
            raise LeftAlone("something is under way for it just now")

    def refuse_silent(self, host: str) -> None:
        """Raises LeftAlone when what is on this host, or on a network node, cannot be asked about."""
        told = {inventory.node for inventory in self.seen.told}
        node = self.tx.hosts.node_of(host) if host else None
        if node is not None and node not in told:
            raise LeftAlone(f"its node {node} does not answer, and may still use it")
        networks = {name for name, role in self.seen.view.all_nodes if role == "network"}
        if networks and not networks & told:
            raise LeftAlone("no network node answers, and one may still use it")

    def owners(self) -> tuple[str, ...]:
        """Of a loose row: the servers it was about."""
        rows = self.seen.view.loose
        return next((row.owners for row in rows if (row.kind, row.about) == (self.finding.kind, self.about)), ())


Mend = Callable[[Case], str]
"""Mends it, and says what was done in a sentence. Raises LeftAlone; what it finds mended already is said too."""
