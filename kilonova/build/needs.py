"""What the steps need from the world, as a few small Protocols. The real things stand in drivers, bus and ledger."""

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from msgspec import Struct

from kilonova.build.record import Placed, Wired
from kilonova.build.report import BuildProgress, Report
from kilonova.model.guest import Disk, Guest, HostFacts, PowerState
from kilonova.model.ids import HostName, NodeName, ServerId
from kilonova.model.port import Port, Wire
from kilonova.model.span import Span

Progress = Callable[[str, float], None]
"""Called with a sentence and a share of 0..1 while something long goes on."""


class Disks(Protocol):
    """The block devices of one host. Every name is derived from the server's id, so each call can be repeated."""

    async def assemble(self, build: Placed, progress: Progress) -> tuple[Disk, ...]:
        """The root disk (an overlay on the cached image), ephemeral and swap disks. Raises BuildFailed; then nothing is left."""
        ...

    async def existing(self, build: Placed) -> tuple[Disk, ...]:
        """The disks `assemble` has made, as they are now. Raises BuildFailed when they are not there."""
        ...

    async def add_config_drive(self, build: Wired) -> Disk:
        """An ISO 9660 volume ``config-2`` with OpenStack's metadata."""
        ...

    async def remove(self, server_id: ServerId) -> None:
        """All disks of this server go; none there is no error."""
        ...

    async def inventory(self) -> set[ServerId]:
        """The servers that have any file on this host."""
        ...


class Hypervisor(Protocol):
    """The guests of one host. They outlive the process that started them."""

    async def start(self, build: Wired, disks: tuple[Disk, ...]) -> Guest:
        """Start the guest, or return it if it already runs. Raises BuildFailed; then no process is left."""
        ...

    async def destroy(self, server_id: ServerId) -> None:
        """End the guest at once and forget it; none there is no error."""
        ...

    async def stop_now(self, server_id: ServerId) -> None:
        """End the guest's process at once; its disks and what is known of it stay. None there is no error."""
        ...

    async def shut_down(self, server_id: ServerId, timeout_s: float) -> None:
        """Ask by ACPI, again until `timeout_s`, then end it. Its disks and definition stay."""
        ...

    async def guests(self) -> Mapping[ServerId, PowerState]:
        """What is on this host now, also what an earlier process started."""
        ...

    async def console_output(self, server_id: ServerId, lines: int | None) -> str:
        """The last `lines` lines (None: all that is kept) of the serial console. Raises NotFound."""
        ...

    async def facts(self) -> HostFacts:
        """What this host can hold."""
        ...

    def watch(self, on_end: Callable[[ServerId, PowerState], None]) -> None:
        """`on_end` is called when a guest has ended without being told to."""
        ...

    async def close(self) -> None:
        """The process that drives them ends; the guests go on."""
        ...


class Network(Protocol):
    """The network node's hands: bridges, DHCP, metadata, the way out."""

    async def wire(self, server_id: ServerId, ports: tuple[Port, ...], documents: Mapping[str, bytes]) -> tuple[Wire, ...]:
        """Make what these ports need and say how a host reaches them.

        `documents` is what the metadata service answers this server: path (``openstack/latest/meta_data.json``) → body.
        Repeatable. Raises BuildFailed; then nothing new is left.
        """
        ...

    async def unwire(self, server_id: ServerId) -> None:
        """Forget the server's ports, and a network with the last of its ports; none there is no error."""
        ...

    async def inventory(self) -> set[ServerId]:
        """The servers that have a port here."""
        ...

    async def close(self, keep: bool) -> None:
        """The role ends: `keep` leaves networks for the guests that go on, else everything of this cloud goes."""
        ...


Told = TypeVar("Told", bound=Struct)


class ComputeWorld(Protocol):
    """What the steps on a compute node act on. A node serves one host; a simulated one serves many."""

    def disks(self, host: HostName) -> Disks: ...

    def hypervisor(self, host: HostName) -> Hypervisor: ...

    async def ask_network(self, node: NodeName, message: Struct, answer: type[Told]) -> Told:
        """Into the network node's queue, and wait. Raises Unavailable when the time is over."""
        ...

    async def ask_volume(self, node: NodeName, message: Struct, answer: type[Told]) -> Told:
        """Into the volume node's queue, and wait. Raises Unavailable when the time is over."""
        ...

    def tell(self, progress: BuildProgress) -> None:
        """A hint for control: it goes with the next message there, or not at all."""
        ...

    def keep(self, report: Report) -> None:
        """A last word: on the node's disk until control confirms it."""
        ...

    def live(self, server_id: ServerId, what: str, share: float) -> None:
        """For whoever watches this moment."""
        ...

    def note(self, server_id: ServerId, span: Span) -> None:
        """A hop that somebody else timed, for the trace."""
        ...


class NetworkWorld(Protocol):
    """What the network node's side of step 7 acts on."""

    @property
    def network(self) -> Network: ...
