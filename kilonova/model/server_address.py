"""One address of a server, as the compute API lists it below its network's name."""

from msgspec import Struct


class ServerAddress(Struct, frozen=True, kw_only=True):
    """`kind` is ``fixed`` or ``floating``; `version` 4 or 6."""

    network_name: str
    ip: str
    version: int
    mac: str
    kind: str = "fixed"
    port_id: str = ""
    network_id: str = ""
