"""Control's part of the broker: the streams that keep queues and news, and one reader for each queue.

It remembers what it was asked to make, so that all of it can be made again when the broker comes back without its data.
It publishes nothing.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig

from kilonova.bus import subjects
from kilonova.bus.queues import broker_queues, drop_broker_queue
from kilonova.bus.subjects import QueueKind
from kilonova.errors import Unavailable
from kilonova.lifecycle.audit.queues import QueueState

log = logging.getLogger(__name__)

Emptied = Callable[[], Awaitable[None]]

ACK_WAIT_S = 30
"""An order whose node falls silent is delivered again after this long; while a handler works the node says so every 10 s."""
UNFINISHED_AT_ONCE = 256
SILENCES = 2

_STREAMS = (
    StreamConfig(
        name=subjects.ORDERS,
        subjects=["queue.compute.*", "queue.network.*", "queue.volume.*"],
        retention=RetentionPolicy.WORK_QUEUE,
        storage=StorageType.FILE,
        # An order older than this is past its deadline, and the ledger has ended it.
        max_age=2 * 24 * 3600,
        max_consumers=100_000,
        duplicate_window=120,
        discard=DiscardPolicy.NEW,
        allow_direct=False,
    ),
    StreamConfig(
        name=subjects.NEWS,
        subjects=["news.>"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        max_age=7 * 24 * 3600,
        max_bytes=1024**3,
        duplicate_window=120,
        discard=DiscardPolicy.OLD,
        allow_direct=False,
    ),
)


class Streams:
    """Makes streams and queues on one connection."""

    def __init__(self, client: Client) -> None:
        self._broker = client.jetstream(timeout=10)
        self._wanted = False
        self._queues: set[tuple[QueueKind, str]] = set()
        self._silences: Counter[str] = Counter()
        self._emptied: Emptied | None = None

    @property
    def kept_here(self) -> bool:
        """Whether this connection is one that makes streams at all."""
        return self._wanted

    async def ensure_streams(self, emptied: Emptied | None = None) -> None:
        """Make both streams, or bring them to the present form; `emptied` as in the port. Raises Unavailable."""
        self._wanted, self._emptied = True, emptied or self._emptied
        if self._emptied is not None and not await self._has_orders():
            await self._emptied()  # first: should this process die in between, the next one finds no stream either
        for config in _STREAMS:
            try:
                await self._broker.add_stream(config)
            except nats.js.errors.BadRequestError:  # there is one, made by an older version
                await self._update(config)
            except (nats.errors.Error, OSError) as error:
                raise _unavailable(error) from error

    async def reach_broker(self) -> None:
        """Raises Unavailable."""
        try:
            await self._broker.account_info()
        except (nats.errors.Error, OSError) as error:
            raise Unavailable("The message broker does not answer.") from error

    async def ensure_queue(self, kind: QueueKind, name: str) -> None:
        """Make the reader of one queue. Raises Unavailable."""
        self._queues.add((kind, name))
        config = ConsumerConfig(
            durable_name=subjects.consumer(kind, name),
            filter_subject=subjects.queue_subject(subjects.queue(kind, name)),
            deliver_subject=subjects.deliver_subject(kind, name),
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT_S,
            max_ack_pending=UNFINISHED_AT_ONCE,
            max_deliver=-1,
            # Its state on disk would cost the broker more than all else (a file written anew with every message), and two
            # seconds when it stops. What is unfinished stays in the stream; control makes the reader again after a restart.
            mem_storage=True,
        )
        try:
            await self._broker.add_consumer(subjects.ORDERS, config)
        except (nats.errors.Error, OSError) as error:
            raise _unavailable(error) from error

    async def redeliver(self, kind: QueueKind, name: str) -> None:
        """A new reader starts with everything that is unfinished. Raises Unavailable."""
        try:
            await self._broker.delete_consumer(subjects.ORDERS, subjects.consumer(kind, name))
        except nats.js.errors.NotFoundError:
            pass
        except (nats.errors.Error, OSError) as error:
            raise _unavailable(error) from error
        await self.ensure_queue(kind, name)

    async def queues(self) -> Sequence[QueueState]:
        """Every queue that has a reader or a message. Raises Unavailable."""
        return await broker_queues(self._broker)

    async def drop_queue(self, name: str) -> None:
        """Its reader and what lies in it; it is not made again. Raises Unavailable."""
        self._queues = {queue for queue in self._queues if subjects.consumer(*queue) != name}
        await drop_broker_queue(self._broker, name)

    async def mend(self, stream: str, *, silent: bool) -> None:
        """Messages for this stream were not taken, for lack of the stream or, `silent`, without a word: make it again.

        A broker whose files were deleted under it says nothing at all, and keeps nothing either: after two such silences, with
        the broker itself alive, the stream is thrown away. Orders that were in it are sent again out of the ledger.
        """
        self._silences[stream] = self._silences[stream] + 1 if silent else 0
        try:
            if self._silences[stream] >= SILENCES:
                await self._broker.account_info()
                log.error("the broker does not store messages: making %s anew", stream, extra={"action": "mend"})
                await self._broker.delete_stream(stream)
                self._silences[stream] = 0
            if not silent or not self._silences[stream]:
                await self.restore()
        except (nats.errors.Error, OSError, Unavailable) as error:
            log.warning("the broker cannot be mended yet: %s", error, extra={"action": "mend"})

    def took(self, stream: str) -> None:
        """A message for this stream was taken."""
        self._silences[stream] = 0

    async def restore(self) -> None:
        """Make all again that was ever asked for; quick when it is all there. Raises Unavailable."""
        if self._wanted:
            await self.ensure_streams()
            await asyncio.gather(*(self.ensure_queue(kind, name) for kind, name in self._queues))

    async def _has_orders(self) -> bool:
        try:
            await self._broker.stream_info(subjects.ORDERS)
        except nats.js.errors.NotFoundError:
            return False
        except (nats.errors.Error, OSError) as error:
            raise _unavailable(error) from error
        return True

    async def _update(self, config: StreamConfig) -> None:
        try:
            await self._broker.update_stream(config)
        except (nats.errors.Error, OSError) as error:
            raise _unavailable(error) from error


def _unavailable(error: Exception) -> Unavailable:
    log.warning("the broker refused to make a queue: %s", error)
    return Unavailable("The message broker is not ready.")
