"""What a guest wrote to its serial console: control asks the node that has it. Both ends, one file."""

from msgspec import Struct

from kilonova.build.needs import ComputeWorld
from kilonova.model.ids import HostName, ServerId


class ConsoleWanted(Struct, frozen=True, kw_only=True):
    """control → compute node. `lines` None: everything that is kept."""

    server_id: ServerId
    host: HostName
    lines: int | None


class ConsoleText(Struct, frozen=True, kw_only=True):
    """compute node → control."""

    text: str


async def read_console(wanted: ConsoleWanted, world: ComputeWorld) -> ConsoleText:
    """On the compute node. Raises NotFound when the guest has never started here."""
    return ConsoleText(text=await world.hypervisor(wanted.host).console_output(wanted.server_id, wanted.lines))
