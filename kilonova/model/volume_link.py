"""A volume as a server's order needs it, and the address its bytes are served at."""

from msgspec import Struct

from kilonova.model.ids import NodeName


class VolumeLink(Struct, frozen=True, kw_only=True):
    """One attached volume. `size_gb` in GiB; `device` as the API shows it (``/dev/vdb``)."""

    attachment_id: str
    volume_id: str
    node: NodeName
    """The volume node that keeps its bytes."""
    size_gb: int
    device: str
    boot_index: int | None = None
    """0: the server boots from it."""
    read_only: bool = False
    delete_on_termination: bool = False
    tag: str | None = None


class NbdAddress(Struct, frozen=True, kw_only=True):
    """Where a volume node serves a volume: NBD over TCP, secured by TLS with a pre-shared key."""

    host: str
    port: int
    export: str
    user: str = ""
    key: str = ""
    """Hexadecimal; empty with `user`: not secured (simulated)."""
