"""What a network node is to make true, and what it has confirmed: one row for each thing, with the revision of its plan.

Whoever changes a router, a floating IP, a group's rules, a server's ports or an external network raises its revision here, in
the same transaction. The plans themselves are composed when they are asked for (plans.py), so they are never old.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from sqlalchemy import (
    ColumnElement,
    Connection,
    Insert,
    Table,
    bindparam,
    delete,
    exists,
    insert,
    literal,
    select,
    true,
    update,
)

from kilonova.ledger.network_tables import networks, ports, security_groups
from kilonova.ledger.routing.plans import Plans
from kilonova.ledger.routing.tables import fabric, floating_ips, routers
from kilonova.lifecycle.fabric import FabricWanted
from kilonova.model.fabric import Known
from kilonova.model.ids import NodeName
from kilonova.model.network import SERVER_OWNER
from kilonova.model.router import ROUTING_OWNERS

ROUTER, GROUP, NETWORK, SERVER = "router", "group", "network", "server"
_c = fabric.c
_THIS = (_c.kind == bindparam("the_kind")) & (_c.id == bindparam("the_id"))
_RAISE = update(fabric).where(_THIS).values(wanted=_c.wanted + 1, settled=False, gone=bindparam("is_gone"), refused=None)
_BEGIN = insert(fabric)
_ALL = select(fabric)
_FORGET = delete(fabric).where(_THIS)
_CHANGE = update(fabric).where(_THIS)
"""What else it is executed with are the columns it sets."""
_ENDED = _FORGET.where(_c.gone, _c.wanted <= bindparam("revision"))
_CONFIRM = _CHANGE.where(_c.gone.is_(False), _c.wanted == bindparam("revision")).values(
    confirmed=bindparam("revision"), settled=True, refused=None
)
_OUTRUN = _CHANGE.where(_c.gone.is_(False), _c.wanted < bindparam("revision"))
_NO_SERVER = delete(fabric).where(
    _c.kind == SERVER, ~exists().where(ports.c.device_id == _c.id, ports.c.device_owner.startswith(SERVER_OWNER))
)
_WIRED = exists().where(ports.c.device_id == _c.id, ports.c.status == "ACTIVE")
_UNCONFIRMED = (
    select(fabric)
    .where(_c.settled.is_(False), (_c.kind != SERVER) | _WIRED)
    # Groups before the ports that are in them, networks before the routers that lead there; what was refused comes last.
    .order_by(_c.refused.is_not(None), _c.kind, _c.id)
    .limit(bindparam("most"))
)


def _enlist(kind: str, table: Table, which: ColumnElement[bool]) -> Insert:
    """Those of a table that have no row yet get one."""
    listed = exists().where(_c.kind == kind, _c.id == table.c.id)
    fresh = select(literal(kind), table.c.id, literal(1), literal(0), literal(False), literal(False))
    names = ["kind", "id", "wanted", "confirmed", "gone", "settled"]
    return insert(fabric).from_select(names, fresh.where(which, ~listed))


_ENLIST = (
    _enlist(GROUP, security_groups, true()),
    _enlist(ROUTER, routers, true()),
    _enlist(NETWORK, networks, networks.c.external),
)


class Fabric:
    """`ordered` is called when there is something the node must hear of."""

    def __init__(self, connection: Connection, ordered: Callable[[], None]) -> None:
        self._db = connection
        self._ordered = ordered

    def changed(self, kind: str, ids: Iterable[str]) -> None:
        """The plans of these are newer than what the node has."""
        self._raise(kind, ids, gone=False)

    def ended(self, kind: str, ids: Iterable[str]) -> None:
        """These must not be there any more."""
        self._raise(kind, ids, gone=True)

    def begun(self, kind: str, thing_id: str) -> None:
        """A new thing, of which there can be no row yet."""
        row = {"kind": kind, "id": thing_id, "wanted": 1, "confirmed": 0, "gone": False, "settled": False}
        self._db.execute(_BEGIN, row)
        self._ordered()

    def unconfirmed(self, most: int) -> FabricWanted | None:
        """What the node has not confirmed in its newest revision; None when all is. Servers only once they are wired."""
        rows = self._db.execute(_UNCONFIRMED, {"most": most}).all()
        if not rows:
            return None
        revisions: dict[str, dict[str, int]] = {kind: {} for kind in (ROUTER, GROUP, NETWORK, SERVER)}
        gone = []
        for row in rows:
            if row.gone:
                gone.append(Known(kind=row.kind, id=row.id, revision=row.wanted))
            else:
                revisions[row.kind][row.id] = row.wanted
        plans = Plans(self._db)
        return FabricWanted(
            groups=plans.groups(revisions[GROUP]),
            networks=plans.networks(revisions[NETWORK]),
            routers=plans.routers(revisions[ROUTER]),
            servers=plans.servers(revisions[SERVER]),
            gone=tuple(gone),
        )

    def confirm(self, stands: Sequence[Known]) -> None:
        """The node has these; older revisions than the newest confirm nothing.

        A newer one is of a row that was here before: of a network that led out once and does so again, or from before a backup
        was restored. The node leaves what is older alone, so the plan goes out anew with a revision beyond that.
        """
        for one in stands:
            this = {"the_kind": one.kind, "the_id": one.id, "revision": one.revision}
            if self._db.execute(_ENDED, this).rowcount:
                continue
            if self._db.execute(_CONFIRM, this).rowcount:
                if one.kind == ROUTER:
                    self._router_stands(one.id)
            elif self._db.execute(_OUTRUN, {**this, "wanted": one.revision + 1, "refused": None}).rowcount:
                self._ordered()

    def refuse(self, refused: Mapping[str, str], now: float) -> None:
        """What the node could not make true (``kind/id`` → a sentence): routers and floating IPs show it in their status."""
        for name, why in refused.items():
            kind, _, thing_id = name.partition("/")
            self._db.execute(_CHANGE, {"the_kind": kind, "the_id": thing_id, "refused": why})
            if kind == ROUTER:
                mine = (floating_ips.c.router_id == thing_id) & (floating_ips.c.status != "ERROR")
                self._db.execute(update(floating_ips).where(mine).values(status="ERROR", updated_at=now))

    def known_is(self, node: NodeName, known: Sequence[Known]) -> None:
        """A node has said what it has: whatever differs is unconfirmed again."""
        self._enlist()
        have = {(one.kind, one.id): one.revision for one in known}
        rows = {(row.kind, row.id): row for row in self._db.execute(_ALL).all()}
        for (kind, thing_id), row in rows.items():
            revision = have.get((kind, thing_id))
            this = {"the_kind": kind, "the_id": thing_id}
            if row.gone and revision is None:
                self._db.execute(_FORGET, this)
                continue
            if revision is not None and revision > row.wanted:
                # A ledger restored from a backup: the node leaves what it has alone until it hears of something newer.
                newer = {"wanted": revision + 1, "confirmed": revision, "settled": False, "refused": None}
                self._db.execute(_CHANGE, {**this, **newer})
                continue
            as_wanted = not row.gone and revision == row.wanted
            if as_wanted != row.settled:
                self._db.execute(_CHANGE, {**this, "confirmed": revision or 0, "settled": as_wanted})
        for (kind, thing_id), revision in have.items():
            if (kind, thing_id) not in rows and kind != SERVER:
                orphan = {"wanted": revision + 1, "confirmed": revision, "gone": True, "settled": False}
                self._db.execute(_BEGIN, {"kind": kind, "id": thing_id, **orphan})
        self._ordered()

    def _enlist(self) -> None:
        """Things from before there were plans get a row; servers that are no more lose theirs."""
        for enlist in _ENLIST:
            self._db.execute(enlist)
        self._db.execute(_NO_SERVER)

    def _raise(self, kind: str, ids: Iterable[str], *, gone: bool) -> None:
        for thing_id in dict.fromkeys(ids):
            raised = self._db.execute(_RAISE, {"the_kind": kind, "the_id": thing_id, "is_gone": gone})
            if not raised.rowcount:
                row = {"kind": kind, "id": thing_id, "wanted": 1, "confirmed": 0, "gone": gone, "settled": False}
                self._db.execute(_BEGIN, row)
            self._ordered()

    def _router_stands(self, router_id: str) -> None:
        """Its ports are as they were asked for; floating IPs through it work unless it is switched off."""
        mine = (ports.c.device_id == router_id) & ports.c.device_owner.in_(ROUTING_OWNERS)
        self._db.execute(update(ports).where(mine, ports.c.status != "ACTIVE").values(status="ACTIVE"))
        up = self._db.execute(select(routers.c.admin_state_up).where(routers.c.id == router_id)).scalar()
        status = "ACTIVE" if up else "DOWN"
        theirs = floating_ips.c.router_id == router_id
        self._db.execute(update(floating_ips).where(theirs, floating_ips.c.status != status).values(status=status))
