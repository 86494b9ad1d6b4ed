"""The bus over NATS: queues that keep, questions and answers, news; one connection for each process.

Messages are hints (the ledger is the truth), so everything may come twice and every wait ends. It decides nothing.
"""

import asyncio
import secrets
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import nats.errors
from msgspec import Struct
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from kilonova.bus import messages, subjects
from kilonova.bus.connection import Connection, Hook, Hooks
from kilonova.bus.messages import Packed, Unreadable
from kilonova.bus.port import Answerers, Handlers, Observer, Parcel, Reply, Unobserved
from kilonova.bus.replies import Replies, nobody_there
from kilonova.bus.serving import Publish, Serving, Tasks
from kilonova.bus.streams import Streams
from kilonova.bus.subjects import QueueKind
from kilonova.errors import KilonovaError, Unavailable
from kilonova.lifecycle.audit.queues import QueueState

PUT_WITHIN_S = 5.0
AGAIN_S = 0.05
"""Pause before asking again where nobody answered yet."""
STILL_THERE_S = 1.0
LONGEST_PAUSE_S = 4.0
"""A question without a reply is asked again after so long, then after twice as long, at most so: whoever had it may be dead."""
_NO_OBSERVER = Unobserved()


class NatsBus:
    """One party on the bus. `on_reconnect` is awaited after the broker came back, `on_lost` when it will not take us any more."""

    def __init__(self, observer: Observer = _NO_OBSERVER, on_reconnect: Hook | None = None, on_lost: Hook | None = None) -> None:
        self._observer = observer
        self._connection = Connection(Hooks(before_up=self._restore, after_up=on_reconnect, down=self._went_down, lost=on_lost))
        self._client = self._connection.client
        self._tasks = Tasks()
        self._replies = Replies("nobody")
        self._streams = Streams(self._client)
        self._serving = Serving(self._tasks, observer, self._say, self._send_answer)
        self._queues: list[Subscription] = []

    async def connect(
        self, url: str, creds_text: str, name: str, *, timeout_s: float = 10, tls: ssl.SSLContext | None = None
    ) -> None:
        """Connect as `name` (a node's, or ``control``), under which replies come. Raises Unavailable, NotAuthenticated."""
        await self._connection.dial(url, creds_text, name, timeout_s=timeout_s, tls=tls)
        self._replies = Replies(name)
        for pattern in self._replies.patterns:
            await self._client.subscribe(pattern, cb=self._reply)

    @property
    def connected(self) -> bool:
        return self._connection.up

    @property
    def unreadable(self) -> int:
        """How many messages were put aside because nobody here can read them."""
        return self._serving.unreadable

    @property
    def refused(self) -> list[str]:
        """What the broker did not permit us, newest last."""
        return self._connection.refused

    async def use_credentials(self, creds_text: str) -> None:
        """Go on with a newer credential."""
        await self._connection.use_credentials(creds_text)

    async def close(self) -> None:
        # First take no more: what is given back would otherwise come to us again.
        for queue in self._queues:
            with suppress(nats.errors.Error):
                await queue.unsubscribe()
        await asyncio.sleep(0)  # let handlers begin that were just started; only then they notice that they end
        await self._tasks.cancel()
        await self._connection.close()

    # Control's side

    async def ensure_streams(self, emptied: Hook | None = None) -> None:
        await self._streams.ensure_streams(emptied)

    async def reach_broker(self) -> None:
        await self._connection.wait_up(PUT_WITHIN_S)
        await self._streams.reach_broker()

    async def ensure_queue(self, kind: QueueKind, name: str) -> None:
        await self._streams.ensure_queue(kind, name)

    async def redeliver(self, kind: QueueKind, name: str) -> None:
        await self._streams.redeliver(kind, name)

    async def queues(self) -> Sequence[QueueState]:
        """For the audit: see queues.py."""
        return await self._streams.queues()

    async def drop_queue(self, name: str) -> None:
        """For the audit: see queues.py."""
        await self._streams.drop_queue(name)

    # Queues

    async def put(self, queue: str, message: Struct | Packed, *, message_id: str, traceparent: str = "") -> None:
        parcel = Parcel(queue=queue, message=message, message_id=message_id, traceparent=traceparent)
        if not await self.put_many([parcel]):
            raise Unavailable("The message broker did not take a message.")

    async def put_many(self, parcels: Sequence[Parcel]) -> set[str]:
        return await self._put(parcels, "")

    async def put_and_wait(self, parcel: Parcel, reply_type: type[Reply], *, timeout_s: float, again_every_s: float) -> Reply:
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        subject, answer = self._replies.expect_answer()
        try:
            while (left := until - loop.time()) > 0:
                again = msgspec.structs.replace(parcel, message_id=f"{parcel.message_id}.{secrets.token_hex(4)}")
                try:
                    acked = await asyncio.wait_for(self._put([again], subject), left)
                except (Unavailable, TimeoutError):
                    acked = set()
                pause = again_every_s if acked else min(again_every_s, 0.5)
                left = max(0.0, min(pause, until - loop.time()))
                # What was asked, or its answer, may be lost with a broker: ask again as soon as that is back.
                news: set[asyncio.Future[Any]] = {answer, self._connection.back}
                await asyncio.wait(news, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                if answer.done():
                    return _read(answer.result(), reply_type)
        finally:
            self._replies.forget(subject)
        raise Unavailable("No answer came in time.")

    async def serve_queue(self, kind: QueueKind, name: str, handlers: Handlers, *, sure: bool = False) -> None:
        if not self._queues:
            self._tasks.start(self._serving.say_still_working())
        finish: Publish = self._say_surely if sure else self._say

        async def take(message: Msg) -> None:
            self._serving.take(message, handlers, finish)

        self._queues.append(await self._client.subscribe(subjects.deliver_subject(kind, name), cb=take))

    # Without a queue

    async def ask(self, subject: str, message: Struct, timeout_s: float, reply_type: type[Reply]) -> Reply:
        packed = messages.pack(message)
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    reply = await self._ask_once(subject, packed, timeout_s)
                    if reply is not None:
                        return _read(reply, reply_type)
                    await asyncio.sleep(AGAIN_S)
        except TimeoutError:
            raise Unavailable("No reply came in time.") from None

    async def answer(self, subject: str, queue_group: str, answerers: Answerers) -> None:
        async def take(message: Msg) -> None:
            self._tasks.start(self._serving.reply(message, answerers))

        await self._client.subscribe(subject, queue=queue_group, cb=take)

    async def tell(self, subject: str, message: Struct) -> None:
        if self.connected:
            await self._send(subject, "", messages.pack(message))

    async def listen(self, subject: str, handlers: Handlers) -> None:
        async def take(message: Msg) -> None:
            await self._serving.hear(message, handlers)

        await self._client.subscribe(subject, cb=take)

    async def announce(self, subject: str, payload: Mapping[str, Any], message_id: str) -> None:
        if not await self.announce_many([(subject, payload, message_id)]):
            raise Unavailable("The message broker did not take the news.")

    async def announce_many(self, news: Sequence[tuple[str, Mapping[str, Any], str]]) -> set[str]:
        parcels = [
            Parcel(queue=f"news.{subject}", message=Packed("News", msgspec.json.encode(payload)), message_id=message_id)
            for subject, payload, message_id in news
        ]
        return await self._put(parcels, "", news=True)

    # How it is done

    async def _put(self, parcels: Sequence[Parcel], answer_to: str, *, news: bool = False) -> set[str]:
        """Send all, then wait for the broker's word on each. Raises Unavailable when there is no broker at all."""
        await self._connection.wait_up(PUT_WITHIN_S)
        sent: dict[str, tuple[str, asyncio.Future[Msg]]] = {}
        kinds: dict[str, str] = {}
        lost_on_purpose: set[str] = set()
        try:
            for parcel in parcels:
                reply, future = self._replies.expect()
                sent[reply] = (parcel.message_id, future)
                head = {messages.MESSAGE_ID: parcel.message_id}
                if parcel.traceparent:
                    head[messages.TRACEPARENT] = parcel.traceparent
                if answer_to:
                    head[messages.ANSWER_TO] = answer_to
                where = parcel.queue if news else subjects.queue_subject(parcel.queue)
                packed = messages.pack(parcel.message)
                kinds[parcel.message_id] = packed.kind
                if not await self._send(where, reply, packed, head):
                    lost_on_purpose.add(parcel.message_id)
                    del sent[reply]
                    self._replies.forget(reply)
            if sent:
                await asyncio.wait([future for _, future in sent.values()], timeout=PUT_WITHIN_S)
            words = {message_id: _result(future) for message_id, future in sent.values()}
            taken = {message_id for message_id, word in words.items() if word and _kept(word)}
            self._mind_streams(subjects.NEWS if news else subjects.ORDERS, list(words.values()), bool(taken))
            for message_id in taken:
                await self._observer.put(kinds[message_id])
            return lost_on_purpose | taken
        finally:
            for reply in sent:
                self._replies.forget(reply)

    async def _ask_once(self, subject: str, packed: Packed, timeout_s: float) -> Msg | None:
        """The reply, or None when nobody was there or the connection was lost."""
        await self._connection.wait_up(timeout_s)
        inbox, future = self._replies.expect()
        try:
            pause = STILL_THERE_S
            while not future.done():
                await self._send(subject, inbox, packed)
                await asyncio.wait({future}, timeout=pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
            reply = future.result()
        except Unavailable:
            return None
        finally:
            self._replies.forget(inbox)
        return None if nobody_there(reply) else reply

    async def _send_answer(self, subject: str, reply: Struct | KilonovaError) -> None:
        if subject and self.connected:
            await self._send(subject, "", messages.pack(reply))

    async def _send(self, subject: str, reply: str, packed: Packed, head: Mapping[str, str] | None = None) -> bool:
        """Publish as often as the observer says; False when it says never."""
        copies = await self._observer.putting(packed.kind, subject)
        found = messages.headers(packed, self._observer.traceparent())
        found.update(head or {})
        for copy in range(copies):
            if copy:  # a repetition that the broker cannot recognise is the only one worth testing
                found.pop(messages.MESSAGE_ID, None)
            try:
                await self._client.publish(subject, packed.body, reply=reply, headers=found)
            except nats.errors.Error as error:
                raise Unavailable("The message broker is away.") from error
        return copies > 0

    async def _say(self, subject: str, words: bytes) -> None:
        """To the broker, about a delivery. What is not heard is only work done twice."""
        try:
            await self._client.publish(subject, words)
        except nats.errors.Error:
            pass

    async def _say_surely(self, subject: str, words: bytes) -> None:
        """As `_say`, and wait until it was heard."""
        reply, future = self._replies.expect()
        try:
            await self._client.publish(subject, words, reply=reply)
            await asyncio.wait_for(future, PUT_WITHIN_S)
        except (nats.errors.Error, TimeoutError, Unavailable):
            pass
        finally:
            self._replies.forget(reply)

    async def _reply(self, message: Msg) -> None:
        await self._replies.arrived(message)

    def _went_down(self) -> None:
        self._replies.connection_lost()

    async def _restore(self) -> None:
        await self._streams.restore()

    def _mind_streams(self, stream: str, words: list[Msg | None], taken: bool) -> None:
        """Control's connection makes a stream again that the broker has lost or cannot write to."""
        if taken:
            self._streams.took(stream)
        elif words and self._streams.kept_here and self._connection.up:
            missing = any(word and nobody_there(word) for word in words)
            if missing or not any(words):
                self._tasks.start(self._streams.mend(stream, silent=not missing))


def _result(future: asyncio.Future[Msg]) -> Msg | None:
    return future.result() if future.done() and not future.cancelled() and not future.exception() else None


def _kept(word: Msg) -> bool:
    """Whether the broker has it: its word is ``{"stream": …, "seq": …}``, or an error, or that there is no such stream."""
    return not nobody_there(word) and b'"error"' not in word.data


def _read(reply: Msg, reply_type: type[Reply]) -> Reply:
    try:
        return messages.decode_reply(reply_type, reply.headers or {}, reply.data)
    except Unreadable as error:
        raise Unavailable("A part of the cloud does not understand another.") from error
