"""One hop of a build: how long it waited in a queue, how long it was worked on, and how it ended."""

from msgspec import Struct


class Span(Struct, frozen=True, kw_only=True):
    """`step` is 1 to 9. Times in seconds; `started_at` is Unix time, `queued` the wait before it (0 where there is no queue)."""

    step: int
    name: str
    place: str
    """client, control, bus, compute or network: the role, never a host's name."""
    started_at: float
    queued: float = 0.0
    work: float = 0.0
    outcome: str = "done"
    """done, failed, undone or waiting."""
    detail: str = ""
    host: str = ""
    """For admins only."""
