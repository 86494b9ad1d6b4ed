"""What the steps need from the world, as a few small Protocols. The real things stand in drivers, bus and ledger."""

from collections.abc import Callable, Mapping
from typing import Protocol

from kilonova.build.record import Placed, Wired
from kilonova.model.guest import Disk, Guest, HostFacts, PowerState
from kilonova.model.ids import ServerId
from kilonova.model.port import Port, Wire

Progress = Callable[[str, float], None]
"""Called with a sentence and a share of 0..1 while something long goes on."""


class Disks(Protocol):
    """The block devices of one host. Every name is derived from the server's id, so each call can be repeated."""

    async def assemble(self, build: Placed, progress: Progress) -> tuple[Disk, ...]:
        """The root disk (an overlay on the cached image), ephemeral and swap disks. Raises BuildFailed; then nothing is left."""
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


class Network(Protocol):
    """The network node's hands: bridges, DHCP, metadata, the way out."""

    async def wire(self, server_id: ServerId, ports: tuple[Port, ...], documents: Mapping[str, bytes]) -> tuple[Wire, ...]:
        """Make what these ports need and say how a host reaches them.

        `documents` is what the metadata service answers this server: path below ``/`` (``openstack/latest/meta_data.json``) → body.
        Repeatable. Raises BuildFailed; then nothing new is left.
        """
        ...

    async def unwire(self, server_id: ServerId) -> None:
        """Forget the server's ports, and a network with the last of its ports; none there is no error."""
        ...

    async def inventory(self) -> set[ServerId]:
        """The servers that have a port here."""
        ...
