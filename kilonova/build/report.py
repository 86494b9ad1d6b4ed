"""What nodes tell control about a build. A node keeps the last word of each until control has confirmed it."""

from msgspec import Struct

from kilonova.model.ids import HostName, NodeName, ServerId
from kilonova.model.span import Span


class _About(Struct, frozen=True, kw_only=True, tag=True):
    """Which build, and where. A report of an older attempt changes nothing."""

    server_id: ServerId
    host: HostName
    attempt: int
    at: float
    spans: tuple[Span, ...] = ()


class BuildProgress(_About, frozen=True, kw_only=True, tag=True):
    """It goes on; `task_state` in Nova's words. Only a hint: it may be lost, the last word will come."""

    task_state: str


class ServerRuns(_About, frozen=True, kw_only=True, tag=True):
    """The guest runs."""

    accelerator: str = ""


class ServerNotBuilt(_About, frozen=True, kw_only=True, tag=True):
    """A step failed and what was made is gone again.

    `final`: another host would not help. `left`: steps that could not be undone.
    """

    failed_step: str
    reason: str
    final: bool = False
    left: tuple[str, ...] = ()


class ServerGone(_About, frozen=True, kw_only=True, tag=True):
    """Guest, disks and ports of a deleted server are gone."""


class TaskDone(_About, frozen=True, kw_only=True, tag=True):
    """A later action on the server is done; `facts` is what control must write down of it, by the action's own names."""

    task_id: str
    facts: dict[str, str] = {}


class TaskFailed(_About, frozen=True, kw_only=True, tag=True):
    """A step of an action failed, and what was made is gone again, but for the steps in `left`."""

    task_id: str
    failed_step: str
    reason: str
    left: tuple[str, ...] = ()


Report = BuildProgress | ServerRuns | ServerNotBuilt | ServerGone | TaskDone | TaskFailed


class ReportBatch(Struct, frozen=True, kw_only=True):
    """What goes over the wire: everything a node has to say at the moment."""

    node: NodeName
    reports: tuple[Report, ...]


class Confirmed(Struct, frozen=True, kw_only=True):
    """Control's answer: it is in the ledger."""

    count: int
