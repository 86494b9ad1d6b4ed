"""How a guest does, by the counters of its host: control asks the node that has it. Both ends, one file."""

from msgspec import Struct

from kilonova.build.needs import ComputeWorld
from kilonova.model.diagnostics import Diagnostics
from kilonova.model.ids import HostName, ServerId


class DiagnosticsWanted(Struct, frozen=True, kw_only=True):
    """control → compute node."""

    server_id: ServerId
    host: HostName


class DiagnosticsTold(Struct, frozen=True, kw_only=True):
    """compute node → control."""

    found: Diagnostics


async def read_diagnostics(wanted: DiagnosticsWanted, world: ComputeWorld) -> DiagnosticsTold:
    """On the compute node. Raises Conflict when the guest does not run here, Unavailable when it does not answer."""
    return DiagnosticsTold(found=await world.hypervisor(wanted.host).diagnostics(wanted.server_id))
