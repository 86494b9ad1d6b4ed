"""The replies one connection waits for: an inbox of its own, and a future for each.

Leaner than a JetStream publish of nats-py, which draws random bytes for each message: half the CPU time at 1,000 messages.
It does not read what a reply says.
"""

import asyncio
import secrets

from nats.aio.msg import Msg

from kilonova.bus import subjects
from kilonova.errors import Unavailable


class Replies:
    """Subjects to be answered on, and who waits for them."""

    def __init__(self, who: str) -> None:
        # Two processes of control have the same name, so each connection draws its own token. Answers from network nodes
        # come to subjects of their own: those nodes may publish there, and must not be able to pose as the broker.
        mine = secrets.token_hex(8)
        self._replies = f"{subjects.inbox(who)}.{mine}."
        self._answers = f"{subjects.inbox(who)}.answer.{mine}."
        self._count = 0
        self._waiting: dict[str, asyncio.Future[Msg]] = {}

    @property
    def patterns(self) -> tuple[str, str]:
        """What to subscribe to."""
        return f"{self._replies}*", f"{self._answers}*"

    def expect(self) -> tuple[str, asyncio.Future[Msg]]:
        """A subject for the reply of the broker or of someone asked directly; it fails when the connection is lost."""
        return self._wait_on(self._replies)

    def expect_answer(self) -> tuple[str, asyncio.Future[Msg]]:
        """A subject for an answer that takes long; it outlives a lost connection."""
        return self._wait_on(self._answers)

    def forget(self, subject: str) -> None:
        """Nobody waits on `subject` any more."""
        future = self._waiting.pop(subject, None)
        if future and not future.done():
            future.cancel()

    async def arrived(self, message: Msg) -> None:
        """Give a reply to who waits; late ones are dropped."""
        future = self._waiting.pop(message.subject, None)
        if future and not future.done():
            future.set_result(message)

    def connection_lost(self) -> None:
        """What was asked on the lost connection will not be replied to."""
        for subject in [subject for subject in self._waiting if subject.startswith(self._replies)]:
            future = self._waiting.pop(subject)
            if not future.done():
                future.set_exception(Unavailable("The connection to the message broker was lost."))
                future.exception()  # seen: who waits may have stopped waiting

    def _wait_on(self, prefix: str) -> tuple[str, asyncio.Future[Msg]]:
        self._count += 1
        subject = f"{prefix}{self._count}"
        future = self._waiting[subject] = asyncio.get_running_loop().create_future()
        return subject, future


def nobody_there(reply: Msg) -> bool:
    """The broker says that no one has subscribed to the subject."""
    return reply.headers is not None and reply.headers.get("Status") == "503"
