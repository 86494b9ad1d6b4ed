"""What control asks a node for an audit, and what it tells it to take away for a repair. Both ends' words, in one file."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from msgspec import Struct

from kilonova.lifecycle.inventory import HostInventory, Leftover
from kilonova.model.fabric import Known
from kilonova.model.ids import HostName, NodeName, ServerId


class InventoryWanted(Struct, frozen=True, kw_only=True):
    """control → node: what have you?"""


class OpenSaga(Struct, frozen=True, kw_only=True):
    """One line of a node's journal. `deadline` None: it has none, and goes on until it is done."""

    key: str
    server_id: ServerId
    deadline: float | None
    saga: str = ""
    host: str = ""


class WaitingReport(Struct, frozen=True, kw_only=True):
    """A last word that control has not confirmed. `since`: when its saga ended."""

    key: str
    since: float


class NodeInventory(Struct, frozen=True, kw_only=True):
    """node → control. Hosts of a compute node, wires of a network node, volumes of a volume node; `sagas`: not finished."""

    node: NodeName
    role: str
    hosts: tuple[HostInventory, ...] = ()
    spares: dict[HostName, tuple[ServerId, ...]] = {}
    """Servers that have a second set of disks there."""
    wired: tuple[ServerId, ...] = ()
    known: tuple[Known, ...] = ()
    """A network node's routers, security groups and external networks."""
    sagas: tuple[OpenSaga, ...] = ()
    reports: tuple[WaitingReport, ...] = ()
    volumes: tuple[str, ...] = ()
    """Those that have files on a volume node."""
    exports: dict[str, str] = {}
    """Volume id → the attachment that it is served to."""
    snapshots: dict[str, tuple[str, ...]] = {}
    """Volume id → the snapshots in its file, where that was looked at."""
    strays: dict[str, str] = {}
    """What the drivers themselves cannot tell an owner of: name → what it is."""


class Tidy(Struct, frozen=True, kw_only=True):
    """control → node: take this away, by your ordinary undo steps. What is not there is no error."""

    leftovers: tuple[Leftover, ...] = ()
    """Guests and disks, as a `Welcome` says it."""
    unwire: tuple[ServerId, ...] = ()
    spares: tuple[Leftover, ...] = ()
    """Second sets of disks that no resize waits for."""
    exports: dict[str, str] = {}
    strays: tuple[str, ...] = ()
    say_again: bool = False
    """Whatever waits for control is to be sent at once."""


class Tidied(Struct, frozen=True, kw_only=True):
    """node → control: it is done, or begun. `failed`: name → why it could not be."""

    failed: dict[str, str] = {}


@runtime_checkable
class WithStrays(Protocol):
    """A driver that can name what it has and nobody owns, and end it."""

    async def strays(self) -> Mapping[str, str]:
        """Name → what it is; a name says nothing to anybody else."""
        ...

    async def end_stray(self, name: str) -> None:
        """None there is no error; what is somebody's by now stays."""
        ...


@runtime_checkable
class WithSpares(Protocol):
    """Disks that can say who has a second set of them."""

    async def spares(self) -> set[ServerId]: ...


@runtime_checkable
class WithSnapshots(Protocol):
    """Volumes that can say which snapshots are in them."""

    async def snapshots(self) -> Mapping[str, tuple[str, ...]]:
        """Volume id → ids; a volume that could not be read is not in it."""
        ...
