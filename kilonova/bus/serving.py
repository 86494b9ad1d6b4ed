"""The node's side of a queue: take, handle, acknowledge.

A message is acknowledged after its handler returned; given back when the handler raised; and never read a second time when it
cannot be read at all. It does not subscribe and does not know what messages mean.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from typing import Any

from msgspec import Struct
from nats.aio.msg import Msg

from kilonova.bus import messages
from kilonova.bus.port import Answerers, Delivery, Handler, Handlers, Observer
from kilonova.errors import KilonovaError, Unavailable

log = logging.getLogger(__name__)

STILL_WORKING_EVERY_S = 10.0
LONGEST_PAUSE_S = 30.0

Publish = Callable[[str, bytes], Awaitable[None]]
SendAnswer = Callable[[str, Struct | KilonovaError], Awaitable[None]]


class Tasks:
    """Tasks that nobody awaits, kept so that they can be ended together."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[None], None] = {}  # in the order they began, so that they also end in it

    def start(self, work: Coroutine[Any, Any, None], context: Context | None = None) -> None:
        """Run it in the background; in a copy of `context`, if there is one."""
        task = asyncio.get_running_loop().create_task(work, context=context.copy() if context else None)
        self._running[task] = None
        task.add_done_callback(self._ended)

    async def cancel(self) -> None:
        """End all of them."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        if not task.cancelled() and task.exception():
            log.error("background work failed", exc_info=task.exception())


class Serving:
    """What one connection takes from its queues."""

    def __init__(self, tasks: Tasks, observer: Observer, publish: Publish, send_answer: SendAnswer) -> None:
        self._tasks = tasks
        self._observer = observer
        self._publish = publish
        self._send_answer = send_answer
        self._at_work: dict[str, str] = {}
        """The newest reply subject of each message that is being handled."""
        self._answering: set[str] = set()
        """Where the answers to questions go that are being worked on."""
        self.unreadable = 0
        """Messages that were put aside because nobody here can read them."""

    def take(self, message: Msg, handlers: Handlers, finish: Publish) -> None:
        """Handle one message in a task of its own; `finish` acknowledges it."""
        key = _identity(message.reply)
        repeated = key in self._at_work
        self._at_work[key] = message.reply
        if not repeated:  # else the broker lost patience while the handler works; it is told when that is done
            self._tasks.start(self._handle(message, handlers, finish))

    async def say_still_working(self) -> None:
        """For ever: keep the broker from delivering again what is being handled."""
        while True:
            await asyncio.sleep(STILL_WORKING_EVERY_S)
            for reply in list(self._at_work.values()):
                await self._publish(reply, b"+WPI")

    def read(self, message: Msg, known: messages.Registry[messages.Known]) -> tuple[Struct, messages.Known, Delivery] | None:
        """The message, what stands beside its class, and how it came; None, logged and counted, when it cannot be read."""
        head = message.headers or {}
        try:
            content, value = messages.decode(known, head, message.data)
        except messages.Unreadable as error:
            self.unreadable += 1
            log.error("a message cannot be read and is put aside: %s", error, extra={"action": "put_aside"})
            return None
        delivery = Delivery(
            kind=type(content).__name__,
            subject=message.subject,
            queue_wait_s=messages.queue_wait_s(head),
            traceparent=head.get(messages.TRACEPARENT, ""),
            times=_times_delivered(message.reply),
            reply_to=head.get(messages.ANSWER_TO, ""),
            send_answer=self._send_answer,
        )
        return content, value, delivery

    async def hear(self, message: Msg, handlers: Handlers) -> None:
        """Handle what was only told: nobody repeats it, so a handler that raises is logged and that is all."""
        heard = self.read(message, handlers)
        if heard:
            await self._work_on(*heard)

    async def reply(self, message: Msg, answerers: Answerers) -> None:
        """Answer one question, with a refusal if need be, so that nobody waits in vain; asked again meanwhile, it is one."""
        if message.reply in self._answering:
            return
        self._answering.add(message.reply)
        try:
            await self._reply(message, answerers)
        finally:
            self._answering.discard(message.reply)

    async def _reply(self, message: Msg, answerers: Answerers) -> None:
        heard = self.read(message, answerers)
        if heard is None:
            await self._send_answer(message.reply, Unavailable("A part of the cloud does not understand another."))
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
            await self._send_answer(message.reply, reply)

    async def _handle(self, message: Msg, handlers: Handlers, finish: Publish) -> None:
        key = _identity(message.reply)
        try:
            taken = self.read(message, handlers)
            verdict = await self._work_on(*taken) if taken else b"+TERM"
            if verdict == b"+ACK" and taken:
                await self._observer.finishing(taken[2])
                await finish(self._at_work[key], verdict)
                await self._observer.finished(taken[2])
            elif verdict:
                await (self._publish if verdict.startswith(b"-NAK") else finish)(self._at_work[key], verdict)
        except asyncio.CancelledError:
            await self._publish(self._at_work[key], b"-NAK")
            raise
        finally:
            del self._at_work[key]

    async def _work_on(self, content: Struct, handler: Handler, delivery: Delivery) -> bytes:
        """What to tell the broker; empty for nothing."""
        try:
            times = await self._observer.taking(delivery)
            for _ in range(times):
                await handler(content, delivery)
        except Exception:
            log.exception(
                "a handler failed; a message from a queue comes again", extra={"action": "hand_back", "kind": delivery.kind}
            )
            return b'-NAK {"delay": %d}' % (pause_s(delivery.times) * 1e9)
        return b"+ACK" if times else b""


def pause_s(times: int) -> float:
    """How long a message rests whose handler has raised `times` times: half a second, doubled each time, at most 30 s."""
    return min(LONGEST_PAUSE_S, 0.25 * 2.0 ** min(times, 10))


def _identity(reply: str) -> str:
    """One message, however often it is delivered: reader, number, and time of arrival, since numbers begin anew in a new stream.

    A reply subject is ``$JS.ACK.<stream>.<reader>.<times>.<number>.<number for the reader>.<time>.<waiting>``.
    """
    parts = reply.split(".")
    return f"{parts[3]}.{parts[5]}.{parts[7]}"


def _times_delivered(reply: str) -> int:
    return int(reply.split(".")[4]) if reply.startswith("$JS.ACK.") else 1
