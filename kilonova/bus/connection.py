"""One connection to the broker that comes back by itself: dialled once, then kept for as long as the process lives.

It knows when messages can go through, and tells whoever asked. It knows nothing of messages.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress

import nats.errors
from msgspec import Struct
from nats.aio.client import Client, RawCredentials

from kilonova.bus import subjects
from kilonova.bus.serving import Tasks
from kilonova.errors import NotAuthenticated, Unavailable

log = logging.getLogger(__name__)

Hook = Callable[[], Awaitable[None]]

DIAL_TIMEOUT_S = 2
PAUSE_S = 0.1
"""Between two attempts to connect again."""
_REFUSALS = ("authorization violation", "authentication expired", "authentication timeout")


class Hooks(Struct, frozen=True, kw_only=True):
    """What the connection tells whom."""

    before_up: Hook
    """Repeated until it does not raise Unavailable; only then messages go through again."""
    after_up: Hook | None = None
    down: Callable[[], None]
    lost: Hook | None = None


class Connection:
    """A nats-py client with for-ever reconnection."""

    def __init__(self, hooks: Hooks) -> None:
        self.client = Client()
        self._hooks = hooks
        self._up = asyncio.Event()
        self._back: asyncio.Future[None]
        self._tasks = Tasks()
        self._dialling = True
        self._closing = False
        self._credentials = RawCredentials("")
        self.refused: list[str] = []
        """What the broker did not permit, newest last (the last 20)."""

    @property
    def up(self) -> bool:
        """Whether messages go through just now."""
        return self._up.is_set() and self.client.is_connected

    async def dial(self, url: str, creds_text: str, name: str, *, timeout_s: float, tls: ssl.SSLContext | None) -> None:
        """Connect for the first time. Raises Unavailable after `timeout_s`, NotAuthenticated for a refused credential."""
        self._credentials.data = creds_text
        try:
            async with asyncio.timeout(timeout_s):
                await self.client.connect(
                    url,
                    name=name,
                    user_credentials=self._credentials,
                    inbox_prefix=subjects.inbox(name),
                    tls=tls,
                    allow_reconnect=True,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=PAUSE_S,  # type: ignore[arg-type]  # seconds; nothing in it needs a whole number
                    connect_timeout=DIAL_TIMEOUT_S,
                    ping_interval=10,
                    max_outstanding_pings=2,
                    error_cb=self._error,
                    disconnected_cb=self._disconnected,
                    reconnected_cb=self._reconnected,
                    closed_cb=self._closed,
                )
        except TimeoutError:
            await self.close()
            raise Unavailable("The message broker does not answer.") from None
        except NotAuthenticated:
            await self.close()
            raise
        self._dialling = False
        self._back = asyncio.get_running_loop().create_future()
        self._up.set()

    @property
    def back(self) -> asyncio.Future[None]:
        """Done when the connection, lost some time from now on, is there again."""
        return self._back

    async def wait_up(self, timeout_s: float) -> None:
        """Return when messages go through. Raises Unavailable."""
        if self.up:
            return
        try:
            await asyncio.wait_for(self._up.wait(), timeout_s)
        except TimeoutError:
            raise Unavailable("The message broker is away.") from None

    async def use_credentials(self, creds_text: str) -> None:
        """From now on another credential: the connection is made anew at once, before the old one expires."""
        self._credentials.data = creds_text
        await self.client.force_reconnect()

    async def close(self) -> None:
        """Say what is still to be said, and hang up."""
        self._closing = True
        await self._tasks.cancel()
        with suppress(nats.errors.Error, OSError):  # the broker may go at the same time
            if self.client.is_connected:
                await self.client.flush(timeout=1)
        with suppress(OSError):
            await self.client.close()

    async def _error(self, error: Exception) -> None:
        text = str(error).lower()
        if self._dialling and any(refusal in text for refusal in _REFUSALS):
            raise NotAuthenticated("The message broker does not accept this credential.")
        if "permissions violation" in text:
            self.refused = [*self.refused[-19:], text]
            log.warning("the broker did not permit it: %s", text, extra={"action": "refused"})
        elif self.up and not self._closing:
            log.warning("bus: %s", error, extra={"action": "bus_error"})

    async def _disconnected(self) -> None:
        self._up.clear()
        self._hooks.down()
        if not self._closing:
            log.warning("the connection to the broker is lost", extra={"action": "bus_down"})

    async def _reconnected(self) -> None:
        # In a task: while this callback runs, nats-py cannot notice that the connection is lost again.
        self._tasks.start(self._came_back())

    async def _came_back(self) -> None:
        """Let messages through once what they need is there again; a broker that has just started may need a moment."""
        while self.client.is_connected:
            try:
                await self._hooks.before_up()
            except Unavailable:
                await asyncio.sleep(PAUSE_S)
                continue
            self._up.set()
            self._back.set_result(None)
            self._back = asyncio.get_running_loop().create_future()
            log.info("the connection to the broker is back", extra={"action": "bus_up"})
            if self._hooks.after_up:
                await self._hooks.after_up()
            return

    async def _closed(self) -> None:
        """nats-py gives up when the broker throws a client out, for example because its credential expired."""
        if not self._closing:
            log.error("the broker has ended the connection for good", extra={"action": "bus_lost"})
            if self._hooks.lost:
                await self._hooks.lost()
