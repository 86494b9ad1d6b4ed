"""What the steps need from the world, as a few small Protocols. The real things stand in drivers, bus and ledger."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from msgspec import Struct

from kilonova.build.record import Placed, Wired
from kilonova.build.report import BuildProgress, Report
from kilonova.model.diagnostics import Diagnostics
from kilonova.model.fabric import GroupPlan, Known, NetworkPlan, RouterPlan
from kilonova.model.guest import Disk, Guest, HostFacts, PowerState
from kilonova.model.ids import HostName, NodeName, PortId, ServerId
from kilonova.model.port import Port, Wire
from kilonova.model.span import Span
from kilonova.model.volume_link import NbdAddress, VolumeLink

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

    async def assemble_beside(self, build: Placed, progress: Progress, keep_ephemeral: bool) -> None:
        """A second set, from the image; with `keep_ephemeral` its ephemeral disks are those in use. Raises BuildFailed."""
        ...

    async def copy_beside(self, build: Placed) -> None:
        """A second set: those in use, which no guest has, copied and as large as the flavor says. Raises BuildFailed."""
        ...

    async def beside(self, build: Placed) -> tuple[Disk, ...]:
        """The second set. Raises BuildFailed when there is none."""
        ...

    async def swap_in(self, server_id: ServerId) -> None:
        """The second set is in use, and those before are kept. Raises BuildFailed when there is none."""
        ...

    async def swap_back(self, server_id: ServerId) -> None:
        """Those that were kept are in use again, those that were in use are the second set; none kept: nothing happens."""
        ...

    async def drop_spare(self, server_id: ServerId, kept: bool) -> None:
        """The second set goes, and, if `kept` says so, those that were kept from before; the disks in use stay."""
        ...

    async def blank_copy(self, build: Placed) -> Path:
        """A new, blank qcow2 file as large as the server's root disk, for a copy of it. Raises BuildFailed."""
        ...

    async def send_copy(self, build: Placed, image_id: str, ticket: str, progress: Progress) -> None:
        """The copy becomes the bytes of the image. Raises BuildFailed (it is refused), Unavailable."""
        ...

    async def drop_copy(self, build: Placed) -> None:
        """The copy goes; none there is no error."""
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

    async def pause(self, server_id: ServerId) -> None:
        """Its processors stop, its memory stays; one that stands still is left so. Raises NotFound, Unavailable."""
        ...

    async def unpause(self, server_id: ServerId) -> None:
        """Its processors go on; one that runs is left so. Raises NotFound, Unavailable."""
        ...

    async def interrupt(self, server_id: ServerId) -> None:
        """A non-maskable interrupt, on which a guest may dump its memory. Raises NotFound, Unavailable."""
        ...

    async def copy_root(self, build: Placed, disks: tuple[Disk, ...], into: Path, progress: Progress) -> None:
        """The root disk as it is now, whole and flat, in a blank qcow2 file; its guest goes on. Raises BuildFailed."""
        ...

    async def plug_disk(self, server_id: ServerId, disk: Disk) -> None:
        """The volume appears in the guest, if it runs; one that is off gets it when it starts. Raises BuildFailed."""
        ...

    async def unplug_disk(self, server_id: ServerId, disk_name: str) -> None:
        """The guest, if it runs, lets go of the volume; none there is no error. Raises BuildFailed when it does not in time."""
        ...

    async def plug_nic(self, server_id: ServerId, wire: Wire) -> None:
        """The NIC appears in the guest, if it runs; one that is off gets it when it starts. Raises BuildFailed."""
        ...

    async def unplug_nic(self, server_id: ServerId, port_id: PortId) -> None:
        """The guest, if it runs, lets go of the NIC; none there is no error. Raises BuildFailed."""
        ...

    async def guests(self) -> Mapping[ServerId, PowerState]:
        """What is on this host now, also what an earlier process started."""
        ...

    async def console_output(self, server_id: ServerId, lines: int | None) -> str:
        """The last `lines` lines (None: all that is kept) of the serial console. Raises NotFound."""
        ...

    async def diagnostics(self, server_id: ServerId) -> Diagnostics:
        """How a guest does. Raises Conflict when it does not run, Unavailable when it does not answer."""
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


class Exports(Protocol):
    """The volume node's hands, as far as servers need them."""

    async def export(self, volume_id: str, attachment_id: str, read_only: bool) -> NbdAddress:
        """Serve the volume to this attachment, and to no other any more. Repeatable. Raises BuildFailed."""
        ...

    async def end_export(self, volume_id: str, attachment_id: str) -> None:
        """Nobody reaches the volume by this attachment any more; not served is no error. Raises Unavailable."""
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

    async def take_group(self, plan: GroupPlan) -> int:
        """The security group's rules are these from now on, for every port in it here; remembered, repeatable.

        An older revision than the one that counts changes nothing. Returns the revision that counts now. Raises BuildFailed.
        """
        ...

    async def take_network(self, plan: NetworkPlan) -> int:
        """The external network is like this from now on: as `take_group`."""
        ...

    async def take_router(self, plan: RouterPlan) -> int:
        """The router is like this from now on: as `take_group`. When it is refused, what can be of it stands all the same."""
        ...

    async def take_ports(self, server_id: ServerId, revision: int, ports: tuple[Port, ...]) -> int:
        """All ports of the server are like this from now on: as `take_group`. Of one not wired yet it counts when it is."""
        ...

    async def drop(self, gone: Known) -> None:
        """A group, a network, a router must not be there any more, unless a newer revision is known. None there is no error."""
        ...

    async def known(self) -> tuple[Known, ...]:
        """What of all this is true here, in which revision."""
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

    def number_of_wish(self, attempt: int) -> int:
        """See build/wishes.py."""
        ...

    def has_ended(self, link: VolumeLink) -> bool:
        """Whether this attachment was undone here, or could not be made: what was ordered before may name it still."""
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

    def note(self, where: tuple[ServerId, HostName], span: Span) -> None:
        """A hop that somebody else timed, for the trace of what goes on there."""
        ...


class NetworkWorld(Protocol):
    """What the network node's side of step 7 acts on."""

    @property
    def network(self) -> Network: ...

    def gone(self, kind: str, identifier: str) -> int:
        """The newest revision in which a group, a network or a router had to go; 0: in none. Outlives the process."""
        ...

    def note_gone(self, gone: Known) -> None:
        """It has to go: from now on no older plan counts."""
        ...
