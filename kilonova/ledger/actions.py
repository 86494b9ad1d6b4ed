"""What was asked of each server and how it went: one row an action, its spans packed. Feeds os-instance-actions and traces."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Column, Connection, Float, Index, Integer, Table, Text, bindparam, delete, select, update

from kilonova.build.record import Requested
from kilonova.ledger.schema import SERIAL, Packed, metadata
from kilonova.model.ids import ServerId
from kilonova.model.server import Action, ActionEvent, Server
from kilonova.model.span import Span

actions = Table(
    "actions",
    metadata,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("server_id", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("project_id", Text, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("updated_at", Float),
    Column("message", Text),
    Column("traceparent", Text, nullable=False),
    Column("ordered", Packed, nullable=False),
    Column("carried", Packed),
    Column("attempt", Integer, nullable=False, default=0),
    Index("ix_actions_server", "server_id", "id"),
    Index("ix_actions_age", "started_at"),
)

_INSERT = actions.insert()
_OF = select(actions).where(actions.c.server_id == bindparam("sid")).order_by(actions.c.id.desc())
_LATEST = (
    select(actions.c.id).where(actions.c.server_id == bindparam("sid")).order_by(actions.c.id.desc()).limit(1).scalar_subquery()
)
_OF_REQUEST = (
    select(actions.c.id)
    .where(actions.c.server_id == bindparam("sid"), actions.c.request_id == bindparam("request"))
    .order_by(actions.c.id.desc())
    .limit(1)
    .scalar_subquery()
)
_END = update(actions).where(actions.c.id == _LATEST).values(updated_at=bindparam("now"), message=bindparam("why"))
_END_REQUEST = update(actions).where(actions.c.id == _OF_REQUEST).values(updated_at=bindparam("now"), message=bindparam("why"))
_OPEN = update(actions).where(actions.c.server_id == bindparam("sid"), actions.c.updated_at.is_(None))
_DELETED = _OPEN.where(actions.c.action == "delete").values(updated_at=bindparam("now"))
_CUT_SHORT = _OPEN.where(actions.c.action != "delete").values(updated_at=bindparam("now"), message=bindparam("why"))
_ORDERED = (
    update(actions)
    .where(actions.c.server_id == bindparam("sid"), actions.c.action == "create")
    .values(ordered=bindparam("spans"))
)
_CARRIED_REQUEST = (
    update(actions).where(actions.c.id == _OF_REQUEST).values(carried=bindparam("spans"), attempt=bindparam("number"))
)
_CARRIED = update(actions).where(actions.c.id == _LATEST).values(carried=bindparam("spans"), attempt=bindparam("number"))


class Actions:
    """One transaction's view of them."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def begin(self, request: Requested, action: str, spans: Sequence[Span], traceparent: str) -> None:
        self._db.execute(
            _INSERT,
            {
                "server_id": request.server_id,
                "request_id": request.request_id,
                "action": action,
                "user_id": request.user_id,
                "project_id": request.project_id,
                "started_at": request.created_at,
                "traceparent": traceparent,
                "ordered": msgspec.to_builtins(tuple(spans)),
            },
        )

    def begin_plain(self, server: Server, action: str, request_id: str, user_id: str, now: float) -> None:
        asked = {"action": action, "request_id": request_id, "user_id": user_id, "started_at": now}
        self._db.execute(
            _INSERT, {"server_id": server.id, "project_id": server.project_id, "traceparent": "", "ordered": (), **asked}
        )

    def ordered(self, server_id: str, spans: Sequence[Span]) -> None:
        """All that control timed of a build: also steps 4 and 5, which were not over when the row was written."""
        self._db.execute(_ORDERED, {"sid": server_id, "spans": msgspec.to_builtins(tuple(spans))})

    def carried(self, server_id: str, attempt: int, spans: Sequence[Span], request_id: str = "") -> None:
        """The hops of one attempt, however often they are reported; those of earlier attempts on other hosts stay before them."""
        known = [{**hop, "attempt": attempt} for hop in msgspec.to_builtins(tuple(spans))]
        if request_id:
            self._db.execute(_CARRIED_REQUEST, {"sid": server_id, "request": request_id, "spans": known, "number": attempt})
            return
        if attempt > 1:
            row = self._db.execute(_OF.limit(1), {"sid": server_id}).one_or_none()
            earlier = (row.carried or ()) if row is not None else ()
            known = [*(hop for hop in earlier if hop.get("attempt", 1) < attempt), *known]
        self._db.execute(_CARRIED, {"sid": server_id, "spans": known, "number": attempt})

    def end(self, server_id: str, message: str | None, now: float, request_id: str = "") -> None:
        why = (
            None if message is None else message.replace("\0", "")
        )  # from a node; PostgreSQL takes none, and it would say it for ever
        if request_id:
            self._db.execute(_END_REQUEST, {"sid": server_id, "request": request_id, "why": why, "now": now})
        else:
            self._db.execute(_END, {"sid": server_id, "why": why, "now": now})

    def cut_short(self, server_id: str, message: str, now: float) -> None:
        self._db.execute(_CUT_SHORT, {"sid": server_id, "why": message, "now": now})

    def deleted(self, server_id: str, now: float) -> None:
        self._db.execute(_DELETED, {"sid": server_id, "now": now})

    def of_server(self, server_id: str) -> Sequence[Action]:
        return [_action(row) for row in self._db.execute(_OF, {"sid": server_id})]

    def spans(self, server_id: str, request_id: str | None = None) -> tuple[Action, list[Span]] | None:
        """The newest action, or the one of a request, with every hop that was timed."""
        for row in self._db.execute(_OF, {"sid": server_id}):
            if request_id in (None, row.request_id):
                return _action(row), _spans(row)
        return None

    def forget_before(self, time: float) -> int:
        """Traces are kept for so long and no longer; the number that went."""
        return self._db.execute(delete(actions).where(actions.c.started_at < time)).rowcount


def _spans(row: Any) -> list[Span]:
    return [msgspec.convert(span, Span) for span in [*(row.ordered or ()), *(row.carried or ())]]


def _action(row: Any) -> Action:
    return Action(
        request_id=row.request_id,
        server_id=ServerId(row.server_id),
        action=row.action,
        user_id=row.user_id,
        project_id=row.project_id,
        started_at=row.started_at,
        updated_at=row.updated_at,
        message=row.message,
        events=tuple(_event(span) for span in reversed(_spans(row))),
    )


def _event(span: Span) -> ActionEvent:
    """A hop as an event of os-instance-actions: its name says which function of which role did it."""
    failed = span.outcome == "failed"
    return ActionEvent(
        event=f"{span.place}_{span.name}",
        started_at=span.started_at,
        finished_at=span.started_at + span.work,
        result="Error" if failed else "Success",
        host=span.host or None,
        details=span.detail or None,
    )
