"""What the internal routes ask of the ledger beyond what the services ask."""

from typing import Protocol

from kilonova.model.server import Action
from kilonova.model.span import Span


class TraceBook(Protocol):
    def spans(self, server_id: str, request_id: str | None) -> tuple[Action, list[Span]] | None:
        """The newest action, or the one of a request, with every hop that was timed."""
        ...
