"""The servers' desk on control: where the API hands over what takes more than a look-up."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from kilonova.build import STEP_OF, order
from kilonova.build.admit import OrderDesk, OrderWorld
from kilonova.build.wish import Ordered, Wish
from kilonova.bus.port import Bus
from kilonova.bus.subjects import ask_subject
from kilonova.errors import Conflict
from kilonova.ledger.ledger import Ledger
from kilonova.ledger.transaction import Transaction
from kilonova.lifecycle.console import ConsoleText, ConsoleWanted
from kilonova.lifecycle.diagnostics import DiagnosticsTold, DiagnosticsWanted
from kilonova.lifecycle.interfaces import order_out
from kilonova.lifecycle.remove import order_removal
from kilonova.model.caller import Caller
from kilonova.model.diagnostics import Diagnostics
from kilonova.model.ids import HostName, ServerId
from kilonova.model.server import Server
from kilonova.model.span import Span
from kilonova.nodes.relay import Relay
from kilonova.trace.recorder import OrderTimer

GUEST_WITHIN_S = 10.0
Told = TypeVar("Told")


class Desk:
    """A ServerDesk (see api/compute/needs.py)."""

    def __init__(self, ledger: Ledger, bus: Bus, relay: Relay, terms: Callable[[float], OrderDesk]) -> None:
        self._ledger, self._bus, self._relay, self._terms = ledger, bus, relay, terms

    async def order(self, wish: Wish) -> Ordered:
        def write(tx: Transaction) -> tuple[Ordered, OrderTimer]:
            timer = OrderTimer(STEP_OF, wish.arrived_at)
            world = OrderWorld(tx, self._terms(time.time()))
            return order(wish, world, timer, lambda key: tx.servers.by_idempotency_key(wish.caller.project_id, key)), timer

        began = time.time()
        ordered, timer = await self._ledger.write(write)
        answered = Span(step=5, name="answer", place="control", started_at=began, work=time.time() - began)
        for server_id in ordered.server_ids if ordered.reservation_id else ():  # else it is an earlier request's: its times stand
            self._relay.timed(server_id, (*timer.spans(), answered))
        return ordered

    async def delete(self, server_id: str, caller: Caller, request_id: str) -> None:
        project = None if caller.is_admin else caller.project_id

        def write(tx: Transaction) -> None:
            server = tx.servers.get(server_id, project)
            order_removal(server, request_id, caller.user_id, OrderWorld(tx, self._terms(time.time())))

        await self._ledger.write(write)

    async def act(self, server_id: str, caller: Caller, order: Callable[[Server, OrderWorld], Told]) -> Told:
        project = None if caller.is_admin else caller.project_id

        def write(tx: Transaction) -> Told:
            return order(tx.servers.get(server_id, project), OrderWorld(tx, self._terms(time.time())))

        return await self._ledger.write(write)

    def let_go_of(self, books: Any, server_id: str, port_id: str) -> None:
        order_out(server_id, port_id, OrderWorld(books, self._terms(time.time())))

    async def diagnostics(self, server: Server) -> Diagnostics:
        if server.host is None or server.node is None:
            raise Conflict("The server has no host, and so no guest.")
        wanted = DiagnosticsWanted(server_id=ServerId(server.id), host=HostName(server.host))
        answer = await self._bus.ask(ask_subject(server.node), wanted, GUEST_WITHIN_S, DiagnosticsTold)
        return answer.found

    async def console_output(self, server: Server, lines: int | None) -> str:
        if server.host is None or server.node is None:
            raise Conflict("The server has no host, and so no console.")
        wanted = ConsoleWanted(server_id=ServerId(server.id), host=HostName(server.host), lines=lines)
        answer = await self._bus.ask(ask_subject(server.node), wanted, GUEST_WITHIN_S, ConsoleText)
        return answer.text
