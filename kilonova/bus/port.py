"""What the rest of Kilonova knows of a bus; NATS and the simulated one both fit it.

Everything here is at least once: a handler must bear the same message twice. It holds no behaviour but the quiet observer's.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from kilonova.bus.messages import Packed
from kilonova.bus.subjects import QueueKind
from kilonova.errors import KilonovaError

Reply = TypeVar("Reply", bound=Struct)


class Parcel(Struct, frozen=True, kw_only=True):
    """Something to be put into a queue. `queue` as ``subjects.queue(kind, name)`` writes it."""

    queue: str
    message: Struct | Packed
    message_id: str
    """The broker drops a second one with the same id for two minutes."""
    traceparent: str = ""


class Delivery(Struct, frozen=True, kw_only=True):
    """How a message came."""

    kind: str
    subject: str
    queue_wait_s: float
    traceparent: str = ""
    times: int = 1
    """1 when the broker delivers it for the first time."""
    reply_to: str = ""
    send_answer: Callable[[str, Struct | KilonovaError], Awaitable[None]] | None = None

    @property
    def redelivered(self) -> int:
        """How often it was delivered before."""
        return self.times - 1

    async def answer(self, reply: Struct | KilonovaError) -> None:
        """Tell the one who waits; nothing happens when nobody does. May be lost: who waits asks again."""
        if self.reply_to and self.send_answer:
            await self.send_answer(self.reply_to, reply)


Handler = Callable[[Any, Delivery], Awaitable[None]]
Handlers = Mapping[type[Struct], Handler]
"""Who handles what, as a literal dict ``{MessageClass: function}``."""
Answerers = Mapping[type[Struct], Callable[[Any, Delivery], Awaitable[Struct]]]
"""As Handlers, for questions: what is returned goes back; a KilonovaError goes back as itself."""


class Observer(Protocol):
    """Sees every message that goes out or comes in: for traces, and for faults in tests."""

    def traceparent(self) -> str:
        """The trace a message belongs to when its sender does not say; empty for none."""
        ...

    async def putting(self, kind: str, subject: str) -> int:
        """How often to send this message: 1; 0 loses it, 2 repeats it. May take its time, which delays it."""
        ...

    async def put(self, kind: str) -> None:
        """A message for a queue was taken by the broker, and who sent it does not know yet."""
        ...

    async def taking(self, delivery: Delivery) -> int:
        """How often to handle it: 1; 0 as if it had not come. Runs in the handler's task, so context variables reach it."""
        ...

    async def finishing(self, delivery: Delivery) -> None:
        """A message from a queue is handled, and the broker not told yet."""
        ...

    async def finished(self, delivery: Delivery) -> None:
        """The broker was told."""
        ...


class Unobserved:
    """Sees nothing and changes nothing."""

    def traceparent(self) -> str:
        return ""

    async def putting(self, kind: str, subject: str) -> int:
        return 1

    async def put(self, kind: str) -> None:
        return None

    async def taking(self, delivery: Delivery) -> int:
        return 1

    async def finishing(self, delivery: Delivery) -> None:
        return None

    async def finished(self, delivery: Delivery) -> None:
        return None


class Bus(Protocol):
    """One party's connection. Waiting calls raise Unavailable when their time is over."""

    @property
    def connected(self) -> bool:
        """Whether messages go through just now."""
        ...

    async def close(self) -> None:
        """Give back what is being handled, and go."""
        ...

    async def ensure_streams(self, emptied: Callable[[], Awaitable[None]] | None = None) -> None:
        """Control: make what keeps the queues and the news. Repeatable; done again by itself when the broker comes back.

        `emptied` is awaited, now or later, whenever there were no queues: what was in them is lost and must be put again.
        """
        ...

    async def reach_broker(self) -> None:
        """Control: returns when the broker has answered; who cannot reach it hears nobody. Raises Unavailable."""
        ...

    async def ensure_queue(self, kind: QueueKind, name: str) -> None:
        """Control: make the queue of one host or network node. Repeatable; done again by itself when the broker comes back."""
        ...

    async def redeliver(self, kind: QueueKind, name: str) -> None:
        """Control: everything unfinished in this queue is delivered again at once; for a node that has just started."""
        ...

    async def put(self, queue: str, message: Struct | Packed, *, message_id: str, traceparent: str = "") -> None:
        """Put one message into a queue; when this returns the broker has it."""
        ...

    async def put_many(self, parcels: Sequence[Parcel]) -> set[str]:
        """Put many at once. Returns the message ids that the broker has; the others must be put again."""
        ...

    async def put_and_wait(self, parcel: Parcel, reply_type: type[Reply], *, timeout_s: float, again_every_s: float) -> Reply:
        """Put, and wait for ``Delivery.answer``; put again (as a new message) every `again_every_s`. Raises what was answered."""
        ...

    async def serve_queue(self, kind: QueueKind, name: str, handlers: Handlers, *, sure: bool = False) -> None:
        """Handle what lies in a queue, each message in a task of its own, again after a while when the handler raises.

        `sure`: wait until the broker has noted that a message is done; without, a crash right then delivers it once more.
        """
        ...

    async def ask(self, subject: str, message: Struct, timeout_s: float, reply_type: type[Reply]) -> Reply:
        """Ask whoever answers on `subject`, again while nobody is there; who takes long may be asked more than once.

        Raises the domain error that was answered.
        """
        ...

    async def answer(self, subject: str, queue_group: str, answerers: Answerers) -> None:
        """Answer questions; one of each `queue_group` gets each question."""
        ...

    async def tell(self, subject: str, message: Struct) -> None:
        """Say it to whoever listens just now; lost without an error when the broker is away."""
        ...

    async def listen(self, subject: str, handlers: Handlers) -> None:
        """Handle what is told, one after the other."""
        ...

    async def announce(self, subject: str, payload: Mapping[str, Any], message_id: str) -> None:
        """Add to the news (JSON) under ``news.<subject>``; when this returns the broker has it."""
        ...

    async def announce_many(self, news: Sequence[tuple[str, Mapping[str, Any], str]]) -> set[str]:
        """(subject, payload, message id) of each. Returns the message ids that the broker has; the others must be put again."""
        ...
