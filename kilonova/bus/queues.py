"""Which queues the broker keeps, what lies in them and who reads them: for the audit, and to end those that are nobody's."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import nats.errors
import nats.js.errors
from nats.js import JetStreamContext

from kilonova.bus import subjects
from kilonova.errors import Unavailable
from kilonova.lifecycle.audit.queues import QueueState

PAGE = 256
"""Readers in one answer of the broker: its own limit."""


@runtime_checkable
class WithQueues(Protocol):
    """A bus that can say what is in its broker."""

    async def queues(self) -> Sequence[QueueState]:
        """Every queue that has a reader or a message. Raises Unavailable."""
        ...

    async def drop_queue(self, name: str) -> None:
        """The reader of this queue, and what lies in it; `name` as `queues` says it. None there is no error."""
        ...


async def broker_queues(broker: JetStreamContext) -> Sequence[QueueState]:
    """Raises Unavailable."""
    try:
        info = await broker.stream_info(subjects.ORDERS, subjects_filter="queue.>")
        held = {queue_name(subject): count for subject, count in (info.state.subjects or {}).items()}
        readers: set[str] = set()
        while len(readers) < info.state.consumer_count:
            page = await broker.consumers_info(subjects.ORDERS, offset=len(readers))
            readers |= {found.name for found in page}
            if len(page) < PAGE:
                break
    except nats.js.errors.NotFoundError:
        return ()
    except (nats.errors.Error, OSError) as error:
        raise Unavailable("The message broker does not answer.") from error
    return [QueueState(name=name, read=name in readers, messages=held.get(name, 0)) for name in sorted(readers | held.keys())]


async def drop_broker_queue(broker: JetStreamContext, name: str) -> None:
    """Raises Unavailable."""
    kind, _, rest = name.partition("-")
    try:
        try:
            await broker.delete_consumer(subjects.ORDERS, name)
        except nats.js.errors.NotFoundError:
            pass
        await broker.purge_stream(subjects.ORDERS, subject=f"queue.{kind}.{rest}")
    except (nats.errors.Error, OSError) as error:
        raise Unavailable("The message broker does not answer.") from error


def queue_name(subject: str) -> str:
    """``queue.compute.HOST`` as the reader's name: ``compute-HOST``."""
    _, kind, rest = subject.split(".", 2)
    return f"{kind}-{rest}"
