"""Disks by name only: no file is made, no image fetched. For fleets in one process."""

import tempfile
from pathlib import Path

from kilonova.build.needs import Progress
from kilonova.build.record import Placed, Wired
from kilonova.drivers.disks import qcow2
from kilonova.drivers.disks.fetch import Send
from kilonova.drivers.simulation import Faults, Memory, NoFaults
from kilonova.errors import BuildFailed
from kilonova.model.guest import Disk
from kilonova.model.ids import ServerId


class SimulatedDisks:
    """The disks of one simulated host. `state` keeps who has some over a restart; `faults` makes it fail."""

    def __init__(self, state: Path | None = None, faults: Faults | None = None, send: Send | None = None) -> None:
        self._memory = Memory(state)
        self._send = send
        self._faults = faults or NoFaults()

    async def assemble(self, build: Placed, progress: Progress) -> tuple[Disk, ...]:
        """One root disk of the flavor's size, by name."""
        self._faults.before("disks.assemble", build.server_id)
        if build.server_id not in self._memory.words:
            self._memory.put(build.server_id, "root")
        size = build.flavor.disk_gb << 30
        return (Disk(name="root", path=f"simulated/{build.server_id}/root", format="qcow2", size=size, boot_index=0),)

    async def existing(self, build: Placed) -> tuple[Disk, ...]:
        """What `assemble` gave. Raises BuildFailed when it never did."""
        if build.server_id not in self._memory.words:
            raise BuildFailed("The server's disks are not on its host.")
        return await self.assemble(build, lambda what, share: None)

    async def add_config_drive(self, build: Wired) -> Disk:
        """A config drive, by name."""
        self._faults.before("disks.add_config_drive", build.server_id)
        return Disk(name="config", path=f"simulated/{build.server_id}/config", format="iso", size=1 << 20, read_only=True)

    async def assemble_beside(self, build: Placed, progress: Progress, keep_ephemeral: bool) -> None:
        """A second set, by name."""
        self._faults.before("disks.assemble_beside", build.server_id)
        self._become(build.server_id, "root+new")

    async def copy_beside(self, build: Placed) -> None:
        """A second set, by name."""
        self._faults.before("disks.copy_beside", build.server_id)
        self._become(build.server_id, "root+new")

    async def beside(self, build: Placed) -> tuple[Disk, ...]:
        """The second set, by name. Raises BuildFailed when there is none."""
        if self.spare_of(build.server_id) != "new":
            raise BuildFailed("The server's new disks are not on its host.")
        return (Disk(name="root", path=f"simulated/{build.server_id}/new", format="qcow2", size=1 << 30, boot_index=0),)

    async def swap_in(self, server_id: ServerId) -> None:
        """The second set is in use. Raises BuildFailed when there is none."""
        if self._memory.words.get(server_id) not in ("root+new", "root+old"):
            raise BuildFailed("The server's new disks are not on its host.")
        self._become(server_id, "root+old")

    async def swap_back(self, server_id: ServerId) -> None:
        """Those that were kept are in use again."""
        if self._memory.words.get(server_id) == "root+old":
            self._become(server_id, "root+new")

    async def drop_spare(self, server_id: ServerId, kept: bool) -> None:
        """The second set goes, and, if `kept` says so, those that were kept from before."""
        if self.spare_of(server_id) == "new" or (kept and self.spare_of(server_id)):
            self._become(server_id, "root")

    async def spares(self) -> set[ServerId]:
        """The servers that have a second set."""
        return {server_id for server_id in self._memory.words if self.spare_of(server_id)}

    def spare_of(self, server_id: ServerId) -> str:
        """``new``, ``old`` or nothing: which set is there beside that in use."""
        return self._memory.words.get(server_id, "").partition("+")[2]

    async def blank_copy(self, build: Placed) -> Path:
        """A path by name: the copy is made when it is sent. Raises BuildFailed when there is no disk."""
        self._faults.before("disks.blank_copy", build.server_id)
        await self.existing(build)
        return Path(f"simulated/{build.server_id}/copy")

    async def send_copy(self, build: Placed, image_id: str, ticket: str, progress: Progress) -> None:
        """A blank disk of the flavor's size becomes the bytes of the image. Raises BuildFailed, Unavailable."""
        self._faults.before("disks.send_copy", build.server_id)
        if self._send is None:
            raise BuildFailed("This host cannot send images.")
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "copy.qcow2"
            qcow2.create(copy, build.flavor.disk_gb << 30 or 1 << 20)
            await self._send.send(image_id, ticket, copy, progress)

    async def drop_copy(self, build: Placed) -> None:
        """There is nothing to drop."""

    async def remove(self, server_id: ServerId) -> None:
        """Forget them; none there is no error."""
        self._faults.before("disks.remove", server_id)
        self._memory.drop(server_id)

    async def inventory(self) -> set[ServerId]:
        """The servers that have disks here."""
        return set(self._memory.words)

    def _become(self, server_id: ServerId, word: str) -> None:
        if server_id not in self._memory.words:
            raise BuildFailed("The server's disks are not on its host.")
        self._memory.put(server_id, word)
