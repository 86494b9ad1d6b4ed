"""A bus without a broker: the same calls within one process, for the simulator and for unit tests.

Messages are packed and unpacked as on the wire, delivered at least once, and delivered again when a handler raises. Time is the
event loop's, so a loop whose clock is moved moves these pauses too. Nothing is kept across a restart; nobody is refused
anything. What arrives is handled in the context of who receives it, never in the sender's.
"""

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context
from typing import Any

import msgspec
from msgspec import Struct

from kilonova.bus import messages, subjects
from kilonova.bus.messages import Packed
from kilonova.bus.port import Answerers, Delivery, Handler, Handlers, Observer, Parcel, Reply, Unobserved
from kilonova.bus.queues import queue_name
from kilonova.bus.serving import Tasks, pause_s
from kilonova.bus.subjects import QueueKind
from kilonova.errors import KilonovaError, Unavailable
from kilonova.lifecycle.audit.queues import QueueState

log = logging.getLogger(__name__)

DUPLICATE_WINDOW_S = 120.0
_NO_OBSERVER = Unobserved()


class _Letter(Struct, kw_only=True, eq=False):
    packed: Packed
    head: dict[str, str]
    subject: str
    times: int = 0


Take = Callable[[_Letter], None]


class LocalBroker:
    """What all parties of one process share."""

    def __init__(self, redeliver_after_s: float = 30.0) -> None:
        self.redeliver_after_s = redeliver_after_s
        self.waiting: dict[str, deque[_Letter]] = {}
        """queue subject → letters that nobody has taken yet."""
        self.news: list[tuple[str, Mapping[str, Any]]] = []
        self.in_hand: dict[str, list[_Letter]] = {}
        """queue subject → letters that its reader has taken and not finished."""
        self.readers: dict[str, Take] = {}
        self.listeners: list[tuple[str, str, Take]] = []
        """(subject pattern, queue group, taker)."""
        self.connections = itertools.count(1)
        self._seen: dict[str, float] = {}

    def lose_everything(self) -> int:
        """As when its disk is lost: nothing lies in a queue any more, and it knows no message it has seen. How many were lost."""
        lost = sum(map(len, self.waiting.values()))
        for waiting in self.waiting.values():
            waiting.clear()
        self._seen.clear()
        return lost

    def keep(self, letter: _Letter) -> None:
        """Into its queue, unless one with its message id came in the last two minutes."""
        now = asyncio.get_running_loop().time()
        while self._seen and next(iter(self._seen.values())) < now - DUPLICATE_WINDOW_S:
            del self._seen[next(iter(self._seen))]
        message_id = letter.head.get(messages.MESSAGE_ID, "")
        if message_id not in self._seen:
            if message_id:
                self._seen[message_id] = now
            self.waiting.setdefault(letter.subject, deque()).append(letter)
            self.push(letter.subject)

    def push(self, subject: str) -> None:
        """Give what waits in a queue to its reader, if there is one."""
        waiting, take = self.waiting.get(subject), self.readers.get(subject)
        while waiting and take:
            letter = waiting.popleft()
            self.in_hand.setdefault(subject, []).append(letter)
            take(letter)

    def take_back(self, subject: str, letters: Sequence[_Letter]) -> None:
        """Letters that were not finished go to the head of their queue."""
        for letter in reversed(letters):
            if letter in self.in_hand.get(subject, []):
                self.in_hand[subject].remove(letter)
                self.waiting.setdefault(subject, deque()).appendleft(letter)
        self.push(subject)

    def who_hears(self, subject: str) -> list[Take]:
        """All that listen to it; of each queue group only the first, which then goes to the end of the line."""
        heard: list[Take] = []
        groups: set[str] = set()
        for entry in list(self.listeners):
            pattern, group, take = entry
            if group in groups or not _matches(pattern, subject):
                continue
            heard.append(take)
            if group:
                groups.add(group)
                self.listeners.remove(entry)
                self.listeners.append(entry)
        return heard


class LocalBus:
    """One party."""

    def __init__(self, broker: LocalBroker, name: str, observer: Observer = _NO_OBSERVER, context: Context | None = None) -> None:
        self._broker = broker
        self._context = context
        self._inbox = f"{subjects.inbox(name)}.{next(broker.connections)}"
        """Its own: what is answered to a process that has died is not for the next of its name."""
        self._observer = observer
        self._tasks = Tasks()
        self._mine: list[str] = []
        self._heard: list[Take] = []
        self._count = 0
        self.unreadable = 0
        self.connected = True

    async def close(self) -> None:
        self.connected = False
        for subject in self._mine:
            self._broker.readers.pop(subject, None)
            self._broker.take_back(subject, self._broker.in_hand.get(subject, []))
        self._broker.listeners = [entry for entry in self._broker.listeners if entry[2] not in self._heard]
        await self._tasks.cancel()

    async def ensure_streams(self, emptied: Callable[[], Awaitable[None]] | None = None) -> None:
        return None

    async def reach_broker(self) -> None:
        return None

    async def ensure_queue(self, kind: QueueKind, name: str) -> None:
        self._broker.waiting.setdefault(subjects.queue_subject(subjects.queue(kind, name)), deque())

    async def redeliver(self, kind: QueueKind, name: str) -> None:
        subject = subjects.queue_subject(subjects.queue(kind, name))
        self._broker.take_back(subject, self._broker.in_hand.get(subject, []))

    async def queues(self) -> Sequence[QueueState]:
        """For the audit: see queues.py."""
        broker = self._broker
        held = {subject: len(letters) for subject, letters in broker.waiting.items()}
        for subject, letters in broker.in_hand.items():
            held[subject] = held.get(subject, 0) + len(letters)
        known = broker.waiting.keys() | broker.readers.keys()
        return [
            QueueState(name=queue_name(subject), read=subject in known, messages=held.get(subject, 0))
            for subject in sorted(held.keys() | known)
        ]

    async def drop_queue(self, name: str) -> None:
        """For the audit: see queues.py."""
        for place in (self._broker.waiting, self._broker.in_hand):
            for subject in [subject for subject in place if queue_name(subject) == name]:
                del place[subject]

    async def put(self, queue: str, message: Struct | Packed, *, message_id: str, traceparent: str = "") -> None:
        await self.put_many([Parcel(queue=queue, message=message, message_id=message_id, traceparent=traceparent)])

    async def put_many(self, parcels: Sequence[Parcel]) -> set[str]:
        for parcel in parcels:
            await self._put(parcel, "")
        return {parcel.message_id for parcel in parcels}

    async def put_and_wait(self, parcel: Parcel, reply_type: type[Reply], *, timeout_s: float, again_every_s: float) -> Reply:
        try:
            async with asyncio.timeout(timeout_s):
                subject, answer = self._expect()
                while True:
                    self._count += 1
                    again = msgspec.structs.replace(parcel, message_id=f"{parcel.message_id}.{self._inbox}.{self._count}")
                    await self._put(again, subject)
                    await asyncio.wait({answer}, timeout=again_every_s)
                    if answer.done():
                        return _answer(answer.result(), reply_type)
        except TimeoutError:
            raise Unavailable("No answer came in time.") from None

    async def serve_queue(self, kind: QueueKind, name: str, handlers: Handlers, *, sure: bool = False) -> None:
        subject = subjects.queue_subject(subjects.queue(kind, name))

        def take(letter: _Letter) -> None:
            if self.connected:  # else its process is dead, and `close` gives the letter back
                self._tasks.start(self._handle(letter, handlers), self._context)

        self._mine.append(subject)
        self._broker.waiting.setdefault(subject, deque())  # a queue outlives its reader
        self._broker.readers[subject] = take
        self._broker.push(subject)

    async def ask(self, subject: str, message: Struct, timeout_s: float, reply_type: type[Reply]) -> Reply:
        try:
            async with asyncio.timeout(timeout_s):
                reply_to, reply = self._expect()
                while True:
                    if any(_matches(pattern, subject) for pattern, _, _ in self._broker.listeners):
                        break
                    await asyncio.sleep(0.05)
                await self._send(subject, messages.pack(message), reply_to)
                return _answer(await reply, reply_type)
        except TimeoutError:
            raise Unavailable("No reply came in time.") from None

    async def answer(self, subject: str, queue_group: str, answerers: Answerers) -> None:
        def take(letter: _Letter) -> None:
            if self.connected:
                self._tasks.start(self._reply(letter, answerers), self._context)

        self._subscribe(subject, queue_group, take)

    async def tell(self, subject: str, message: Struct) -> None:
        await self._send(subject, messages.pack(message), "")

    async def listen(self, subject: str, handlers: Handlers) -> None:
        line: asyncio.Queue[_Letter] = asyncio.Queue()

        async def one_after_the_other() -> None:
            while True:
                letter = await line.get()
                heard = self._read(letter, handlers)
                if heard:
                    await self._work_on(*heard)

        self._tasks.start(one_after_the_other(), self._context)
        self._subscribe(subject, "", line.put_nowait)

    async def announce(self, subject: str, payload: Mapping[str, Any], message_id: str) -> None:
        if await self._observer.putting("News", f"news.{subject}"):
            self._broker.news.append((f"news.{subject}", payload))

    async def announce_many(self, news: Sequence[tuple[str, Mapping[str, Any], str]]) -> set[str]:
        for subject, payload, message_id in news:
            await self.announce(subject, payload, message_id)
        return {message_id for _, _, message_id in news}

    def _subscribe(self, pattern: str, group: str, take: Take) -> None:
        self._heard.append(take)
        self._broker.listeners.append((pattern, group, take))

    async def _put(self, parcel: Parcel, reply_to: str) -> None:
        if not self.connected:
            raise Unavailable("The message broker is away.")
        packed = messages.pack(parcel.message)
        subject = subjects.queue_subject(parcel.queue)
        head = messages.headers(packed, parcel.traceparent or self._observer.traceparent()) | {messages.ANSWER_TO: reply_to}
        for copy in range(await self._observer.putting(packed.kind, subject)):
            named = {} if copy else {messages.MESSAGE_ID: parcel.message_id}
            self._broker.keep(_Letter(packed=packed, head=head | named, subject=subject))
        await self._observer.put(packed.kind)

    async def _send(self, subject: str, packed: Packed, reply_to: str) -> None:
        head = messages.headers(packed, self._observer.traceparent()) | {messages.ANSWER_TO: reply_to}
        for _ in range(await self._observer.putting(packed.kind, subject)):
            for take in self._broker.who_hears(subject):
                take(_Letter(packed=packed, head=head, subject=subject, times=1))

    async def _send_answer(self, subject: str, reply: Struct | KilonovaError) -> None:
        await self._send(subject, messages.pack(reply), "")

    def _expect(self) -> tuple[str, asyncio.Future[_Letter]]:
        self._count += 1
        subject = f"{self._inbox}.{self._count}"
        future: asyncio.Future[_Letter] = asyncio.get_running_loop().create_future()

        def take(letter: _Letter) -> None:
            self._broker.listeners = [entry for entry in self._broker.listeners if entry[2] is not take]
            if not future.done():
                future.set_result(letter)

        self._broker.listeners.append((subject, "", take))
        return subject, future

    async def _handle(self, letter: _Letter, handlers: Handlers) -> None:
        letter.times += 1
        heard = self._read(letter, handlers)
        pause = await self._work_on(*heard) if heard else 0.0
        if pause:
            await asyncio.sleep(pause)
            self._broker.take_back(letter.subject, [letter])
        else:
            held = self._broker.in_hand.get(letter.subject, [])
            self._broker.in_hand[letter.subject] = [other for other in held if other is not letter]

    async def _work_on(self, content: Struct, handler: Handler, delivery: Delivery) -> float:
        """Seconds after which to deliver it again; 0 when it is done."""
        try:
            times = await self._observer.taking(delivery)
            for _ in range(times):
                await handler(content, delivery)
        except Exception:
            log.exception("handling %s failed; a queue delivers it again", delivery.kind, extra={"action": "hand_back"})
            return pause_s(delivery.times)
        return 0.0 if times else self._broker.redeliver_after_s

    async def _reply(self, letter: _Letter, answerers: Answerers) -> None:
        heard = self._read(letter, answerers)
        if heard is None:
            return
        content, answerer, delivery = heard
        for _ in range(await self._observer.taking(delivery)):
            try:
                reply: Struct | KilonovaError = await answerer(content, delivery)
            except KilonovaError as error:
                reply = error
            except Exception:
                log.exception("a question could not be answered", extra={"action": "refuse", "kind": delivery.kind})
                reply = Unavailable("A part of the cloud has failed.")
            await delivery.answer(reply)

    def _read(self, letter: _Letter, known: messages.Registry[messages.Known]) -> tuple[Struct, messages.Known, Delivery] | None:
        try:
            content, value = messages.decode(known, letter.head, letter.packed.body)
        except messages.Unreadable as error:
            self.unreadable += 1
            log.error("a message cannot be read and is put aside: %s", error, extra={"action": "put_aside"})
            return None
        delivery = Delivery(
            kind=letter.packed.kind,
            subject=letter.subject,
            queue_wait_s=messages.queue_wait_s(letter.head),
            traceparent=letter.head.get(messages.TRACEPARENT, ""),
            times=letter.times,
            reply_to=letter.head.get(messages.ANSWER_TO, ""),
            send_answer=self._send_answer,
        )
        return content, value, delivery


def _answer(letter: _Letter, reply_type: type[Reply]) -> Reply:
    try:
        return messages.decode_reply(reply_type, letter.head, letter.packed.body)
    except messages.Unreadable as error:
        raise Unavailable("A part of the cloud does not understand another.") from error


def _matches(pattern: str, subject: str) -> bool:
    """NATS's wildcards: ``*`` is one token, ``>`` at the end one or more."""
    if "*" not in pattern and ">" not in pattern:
        return pattern == subject
    wanted, given = pattern.split("."), subject.split(".")
    for place, part in enumerate(wanted):
        if part == ">":
            return len(given) > place
        if place >= len(given) or part not in ("*", given[place]):
            return False
    return len(wanted) == len(given)
