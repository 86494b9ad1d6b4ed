"""Times every hop of a saga on a node, and every step of an order on control. Writes nothing itself: spans ride on reports."""

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from kilonova.model.span import Span


class Recorder:
    """A Watch for the saga runner. Spans are kept by saga key until `forget`; `numbers`: function → which of the nine steps."""

    def __init__(self, place: str, numbers: Mapping[str, int]) -> None:
        self._place, self._numbers = place, numbers
        self._spans: dict[str, list[Span]] = {}
        self._began: dict[str, tuple[float, float]] = {}
        self._queued: dict[str, float] = {}

    def taken(self, key: str, queued: float, notes: bytes) -> None:
        """A message came out of the queue after `queued` seconds; `notes` is what a journal kept from before a crash."""
        self._queued[key] = queued
        self._spans[key] = list(msgspec.msgpack.decode(notes, type=tuple[Span, ...])) if notes else []

    def note(self, key: str, span: Span) -> None:
        """A hop somebody else timed."""
        self._spans.setdefault(key, []).append(span)

    async def before(self, key: str, step: str, record: Any) -> None:
        self._began[key] = (time.time(), time.perf_counter())

    async def after(self, key: str, step: str, record: Any, error: BaseException | None) -> None:
        started, counter = self._began.pop(key, (time.time(), time.perf_counter()))
        span = Span(
            step=self._numbers.get(step, 0),
            name=step,
            place=self._place,
            started_at=started,
            queued=self._queued.pop(key, 0.0),
            work=time.perf_counter() - counter,
            outcome="done" if error is None else "failed",
            detail="" if error is None else str(error),
            host=getattr(record, "host", ""),
        )
        self._spans.setdefault(key, []).append(span)

    async def undone(self, key: str, step: str, error: BaseException | None) -> None:
        outcome, detail = ("undone", "") if error is None else ("failed", f"undo: {error}")
        self._spans.setdefault(key, []).append(
            Span(
                step=self._numbers.get(step, 0),
                name=step,
                place=self._place,
                started_at=time.time(),
                outcome=outcome,
                detail=detail,
            )
        )

    def notes(self, key: str) -> bytes:
        return msgspec.msgpack.encode(self._spans.get(key, ()))

    def spans(self, key: str) -> tuple[Span, ...]:
        return tuple(self._spans.get(key, ()))

    def forget(self, key: str) -> None:
        self._spans.pop(key, None)
        self._began.pop(key, None)
        self._queued.pop(key, None)


class OrderTimer:
    """The stopwatch of one order transaction: one span each for steps 2, 3 and 4, its functions added up."""

    def __init__(self, numbers: Mapping[str, int], arrived_at: float) -> None:
        self._numbers = numbers
        self._last = time.perf_counter()
        self._work: dict[int, list[float]] = {}
        self._failed: dict[int, str] = {}
        self.arrived_at = arrived_at or time.time()

    def step_over(self, name: str, error: BaseException | None) -> None:
        now = time.perf_counter()
        number = self._numbers.get(name, 0)
        started, work = self._work.get(number, [time.time() - (now - self._last), 0.0])
        self._work[number] = [started, work + now - self._last]
        if error is not None:
            self._failed[number] = str(error)
        self._last = now

    def spans(self) -> tuple[Span, ...]:
        names = {2: "admit", 3: "choose_host", 4: "write_order"}
        asked = Span(step=1, name="ask", place="client", started_at=self.arrived_at)
        return (
            asked,
            *(
                Span(
                    step=number,
                    name=names.get(number, "?"),
                    place="control",
                    started_at=started,
                    work=work,
                    outcome="failed" if number in self._failed else "done",
                    detail=self._failed.get(number, ""),
                )
                for number, (started, work) in sorted(self._work.items())
            ),
        )


class Together:
    """Several watches as one, each told in turn; a fault on demand is the last, so that the hop is on record when it strikes."""

    def __init__(self, *watches: Any) -> None:
        self._watches = watches

    async def before(self, key: str, step: str, record: Any) -> None:
        for watch in self._watches:
            await watch.before(key, step, record)

    async def after(self, key: str, step: str, record: Any, error: BaseException | None) -> None:
        for watch in self._watches:
            await watch.after(key, step, record, error)

    async def undone(self, key: str, step: str, error: BaseException | None) -> None:
        for watch in self._watches:
            await watch.undone(key, step, error)

    def notes(self, key: str) -> bytes:
        return b"".join(watch.notes(key) for watch in self._watches)
