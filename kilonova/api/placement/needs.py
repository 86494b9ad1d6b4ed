"""What Placement asks of the ledger beyond hosts and aggregates."""

from collections.abc import Sequence
from typing import Protocol

from kilonova.model.placement import Allocation


class AllocationBook(Protocol):
    def find(
        self, *, host: str | None = None, consumer: str | None = None, project_id: str | None = None, user_id: str | None = None
    ) -> Sequence[Allocation]:
        """Those that meet every condition given."""
        ...
