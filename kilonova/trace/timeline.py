"""Puts hops in the order of the nine steps: what a person is shown. Pure; knows nothing of where hops are kept."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

NINE = (
    "A client asks the API for a server",
    "The API checks: who, may they, is there room",
    "The scheduler chooses a host",
    "A message into that compute node's queue",
    "The API answers",
    "The compute node takes it; block devices",
    "The network node is asked, and waited for",
    "The details are there; the guest is started",
    "The database is updated, the news goes out",
)


class Line(Struct, frozen=True, kw_only=True):
    """One of the nine steps. Times in milliseconds; `outcome`: done, failed, undone, waiting, or ``-`` when not reached."""

    step: int
    what: str
    where: str = ""
    started_ms: float | None = None
    """After the first hop."""
    queued_ms: float = 0.0
    work_ms: float = 0.0
    outcome: str = "-"
    detail: str = ""
    hops: tuple[Mapping[str, Any], ...] = ()


def timeline(hops: Sequence[Mapping[str, Any]]) -> list[Line]:
    """Nine lines, from the hops of one action as `/internal/traces` gives them."""
    zero = min((hop["started_at"] for hop in hops), default=0.0)
    lines = []
    for number, what in enumerate(NINE, start=1):
        own = tuple(hop for hop in hops if hop["step"] == number)
        lines.append(_line(number, what, own, zero))
    return lines


def total_ms(hops: Sequence[Mapping[str, Any]]) -> float:
    """From the first hop's beginning to the last one's end."""
    if not hops:
        return 0.0
    return 1000.0 * float(max(hop["started_at"] + hop["work"] for hop in hops) - min(hop["started_at"] for hop in hops))


def _line(number: int, what: str, own: tuple[Mapping[str, Any], ...], zero: float) -> Line:
    if not own:
        return Line(step=number, what=what)
    # The network node's share lies inside the compute node's wait, so it is not added to it.
    outer = [hop for hop in own if hop["place"] != "network"] or list(own)
    failed = next((hop for hop in own if hop["outcome"] == "failed"), None)
    undone = any(hop["outcome"] == "undone" for hop in own)
    return Line(
        step=number,
        what=what,
        where=" + ".join(dict.fromkeys(hop["place"] for hop in own)),
        started_ms=1000 * (min(hop["started_at"] for hop in own) - zero),
        queued_ms=1000 * sum(hop["queued"] for hop in own),
        work_ms=1000 * sum(hop["work"] for hop in outer),
        outcome="failed" if failed else "done, undone" if undone else own[-1]["outcome"],
        detail=failed["detail"] if failed else "",
        hops=own,
    )
