"""The outbox: orders for nodes' queues, and news. Written in the same transaction as what they are about.

An order's row stays until its node has given its last word; `published_at` empty means that the relay has to (re)send it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec
from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    bindparam,
    delete,
    exists,
    select,
    update,
)

from kilonova.build.record import Placed
from kilonova.ledger.hosts import Hosts
from kilonova.ledger.image_tables import images
from kilonova.ledger.network_tables import ports
from kilonova.ledger.schema import SERIAL, Packed, metadata
from kilonova.ledger.servers import server_from, servers
from kilonova.ledger.volume.links import links_of_server
from kilonova.lifecycle.remove import Removal
from kilonova.lifecycle.volume_work import VolumeOrder
from kilonova.model.ids import HostName, NodeName, ServerId
from kilonova.model.server import Server

Form = TypeVar("Form", bound=msgspec.Struct)

orders = Table(
    "orders",
    metadata,
    Column("id", Text, primary_key=True),
    Column("server_id", Text, nullable=False, index=True),
    Column("attempt", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("host", Text, nullable=False),
    # Kind of queue and the message class's name; empty where the kind of order says it.
    Column("queue", Text, nullable=False, server_default="compute"),
    Column("message", Text, nullable=False, server_default=""),
    Column("body", LargeBinary, nullable=False),
    Column("traceparent", Text, nullable=False),
    Column("deadline", Float),
    Column("published_at", Float),
    Column("sent", Integer, nullable=False, default=0),
    Index("ix_orders_unsent", "published_at"),
    Index("ix_orders_deadline", "deadline"),
)

news = Table(
    "news",
    metadata,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("event", Text, nullable=False),
    Column("server_id", Text, nullable=False),
    Column("payload", Packed, nullable=False),
)

_INSERT = orders.insert()
_NEWS = news.insert()
_ANSWERED = delete(orders).where(orders.c.id == bindparam("order_id"))
_BY_ID = select(orders).where(orders.c.id == bindparam("order_id"))
_BUILD_OF = select(orders.c.body).where(orders.c.server_id == bindparam("sid"), orders.c.kind == "build")
_TASKS_OF = select(orders.c.body).where(orders.c.server_id == bindparam("sid"), orders.c.kind == "task")
_NO_TASKS = delete(orders).where(orders.c.server_id == bindparam("sid"), orders.c.kind == "task")
_HAS_PORTS = select(exists().where(ports.c.device_id == bindparam("sid")))
_UNSENT = select(orders).where(orders.c.published_at.is_(None)).limit(bindparam("most"))
_SENT = update(orders).where(orders.c.id == bindparam("order_id")).values(published_at=bindparam("at"), sent=orders.c.sent + 1)
_LEAVES = (
    servers.c.deleted_at.is_(None)
    & (servers.c.task_state == "deleting")
    & servers.c.id.in_(select(orders.c.server_id).where(orders.c.kind == "remove"))
)
_LEAVING = select(servers).where(_LEAVES)
_OVERDUE = select(orders.c.body).where(orders.c.kind == bindparam("of_kind"), orders.c.deadline < bindparam("now"))
_OVERDUE_TASKS = select(orders).where(orders.c.kind == "task", orders.c.deadline < bindparam("now"))
_IS_SILENT = orders.c.published_at < bindparam("published_before")
_LATE_SNAPSHOT = (images.c.wanted_until < bindparam("now")) & images.c.deleted_at.is_(None)
_DUE = select(
    exists().where(orders.c.deadline < bindparam("now")) | exists().where(_LATE_SNAPSHOT),
    exists().where(_IS_SILENT),
    exists().where(_LEAVES),
)
_SEND_AGAIN = update(orders).where(_IS_SILENT).values(published_at=None)
_OLD_NEWS = select(news).order_by(news.c.id).limit(bindparam("most"))
_SENT_NEWS = delete(news).where(news.c.id.in_(bindparam("ids", expanding=True)))


class Due(NamedTuple):
    """Whether there is anything whose deadline has passed, an order that nobody answered, a server on its way out."""

    over: bool
    silent: bool
    leaving: bool


class Orders:
    """One transaction's view of them; `ordered` is called when something was written that the relay must send."""

    def __init__(self, connection: Connection, ordered: Callable[[], None]) -> None:
        self._db, self._ordered = connection, ordered

    def queue_build(self, placed: Placed, traceparent: str) -> None:
        self._queue(placed.server_id, placed.attempt, "build", placed.host, placed, traceparent, placed.deadline)

    def queue_removal(self, server: Server, attempt: int, node: str, reason: str) -> None:
        has_ports = self._db.execute(_HAS_PORTS, {"sid": server.id}).scalar_one()
        removal = Removal(
            server_id=ServerId(server.id),
            host=HostName(server.host or ""),
            node=NodeName(node),
            network_node=(Hosts(self._db).any_network_node() or NodeName("")) if has_ports else NodeName(""),
            attempt=attempt,
            reason=reason,
            volumes=links_of_server(self._db, server.id),
        )
        self.removed(server.id, attempt)
        self._queue(server.id, attempt, "remove", removal.host, removal, "", None)

    def answered(self, server_id: str, attempt: int) -> None:
        self._db.execute(_ANSWERED, {"order_id": _id(server_id, attempt, "build")})

    def removed(self, server_id: str, attempt: int) -> None:
        self._db.execute(_ANSWERED, {"order_id": _id(server_id, attempt, "remove")})

    def placed(self, server_id: str) -> Placed | None:
        body = self._db.execute(_BUILD_OF, {"sid": server_id}).scalars().first()
        return None if body is None else msgspec.msgpack.decode(body, type=Placed)

    def queue_task(self, task: Placed) -> None:
        """A later action on a server; its class names it."""
        self._insert(
            task.task_id,
            task.server_id,
            task.attempt,
            "task",
            task.host,
            task,
            deadline=task.deadline,
            message=type(task).__name__,
        )

    def task(self, task_id: str, kinds: Mapping[str, Any]) -> tuple[str, Any] | None:
        """(saga's name, order) of an action that is under way, None when it is over."""
        row = self._db.execute(_BY_ID, {"order_id": task_id}).one_or_none()
        return None if row is None else _task(row, kinds)

    def tasks_of(self, server_id: str, form: type[Form]) -> list[Form]:
        return [msgspec.msgpack.decode(body, type=form) for body in self._db.execute(_TASKS_OF, {"sid": server_id}).scalars()]

    def task_over(self, task_id: str) -> None:
        self._db.execute(_ANSWERED, {"order_id": task_id})

    def no_more_tasks(self, server_id: str) -> None:
        """The server goes: whatever else was asked for it is not waited for any more."""
        self._db.execute(_NO_TASKS, {"sid": server_id})

    def overdue_tasks(self, now: float, kinds: Mapping[str, Any]) -> Sequence[tuple[str, Any]]:
        return [_task(row, kinds) for row in self._db.execute(_OVERDUE_TASKS, {"now": now})]

    def queue_volume(self, order: VolumeOrder) -> None:
        """Work for a volume node."""
        self._insert(
            order.work_id, order.volume_id, 0, "volume", order.node, order,
            deadline=order.deadline, queue="volume", message=VolumeOrder.__name__,
        )  # fmt: skip

    def volume_done(self, work_id: str) -> None:
        """The node has given its last word on this work."""
        self._db.execute(_ANSWERED, {"order_id": work_id})

    def overdue_volumes(self, now: float) -> Sequence[VolumeOrder]:
        rows = self._db.execute(_OVERDUE, {"of_kind": "volume", "now": now}).scalars()
        return [msgspec.msgpack.decode(body, type=VolumeOrder) for body in rows]

    def leaving(self) -> Sequence[Server]:
        """Servers that their owners have deleted, and that a node has yet to take away."""
        return [server_from(row) for row in self._db.execute(_LEAVING)]

    def announce(self, event: str, server_id: str, payload: Mapping[str, Any]) -> None:
        self._db.execute(_NEWS, {"event": event, "server_id": server_id, "payload": dict(payload)})
        self._ordered()

    # What the relay and the sweeper ask.

    def unsent(self, most: int) -> Sequence[Any]:
        """Rows of `orders` that are to be published."""
        return self._db.execute(_UNSENT, {"most": most}).all()

    def unsent_news(self, most: int) -> Sequence[Any]:
        return self._db.execute(_OLD_NEWS, {"most": most}).all()

    def sent(self, order_ids: Sequence[str], news_ids: Sequence[int], now: float) -> None:
        """The broker has them. News goes id by id: on PostgreSQL a lower one may be committed after a higher."""
        if order_ids:
            self._db.execute(_SENT, [{"order_id": order_id, "at": now} for order_id in order_ids])
        if news_ids:
            self._db.execute(_SENT_NEWS, {"ids": news_ids})

    def send_again(self, published_before: float) -> int:
        """Orders that were published long ago and are still without an answer go out once more; the number of them."""
        count = self._db.execute(_SEND_AGAIN, {"published_before": published_before}).rowcount
        if count:
            self._ordered()
        return count

    def due(self, now: float, published_before: float) -> Due:
        """In one question, since it is asked every second."""
        return Due(*map(bool, self._db.execute(_DUE, {"now": now, "published_before": published_before}).one()))

    def overdue(self, now: float) -> Sequence[Placed]:
        rows = self._db.execute(_OVERDUE, {"of_kind": "build", "now": now}).scalars()
        return [msgspec.msgpack.decode(body, type=Placed) for body in rows]

    def open_servers(self) -> set[str]:
        """Servers that an order is under way for."""
        return set(self._db.execute(select(orders.c.server_id)).scalars())

    def _queue(  # noqa: PLR0913 - one row
        self, server_id: str, attempt: int, kind: str, host: str, body: Any, traceparent: str, deadline: float | None
    ) -> None:
        order_id = _id(server_id, attempt, kind)
        message = type(body).__name__
        self._insert(order_id, server_id, attempt, kind, host, body, traceparent=traceparent, deadline=deadline, message=message)

    def _insert(  # noqa: PLR0913 - one row
        self,
        order_id: str,
        server_id: str,
        attempt: int,
        kind: str,
        host: str,
        body: Any,
        *,
        deadline: float | None,
        message: str,
        queue: str = "compute",
        traceparent: str = "",
    ) -> None:
        self._db.execute(
            _INSERT,
            {
                "id": order_id,
                "queue": queue,
                "message": message,
                "server_id": server_id,
                "attempt": attempt,
                "kind": kind,
                "host": host,
                "body": msgspec.msgpack.encode(body),
                "traceparent": traceparent,
                "deadline": deadline,
                "sent": 0,
            },
        )
        self._ordered()


def _task(row: Any, kinds: Mapping[str, Any]) -> tuple[str, Any]:
    for name, action in kinds.items():
        if action.saga.takes.__name__ == row.message:
            return name, msgspec.msgpack.decode(row.body, type=action.saga.takes)
    raise LookupError(f"no action takes {row.message}")


def _id(server_id: str, attempt: int, kind: str) -> str:
    return f"{server_id}/{attempt}/{kind}"
