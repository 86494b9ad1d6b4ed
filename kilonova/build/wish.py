"""What a client asks for, before anything is checked: the compute API's POST /servers without its wire form."""

from typing import Any, Literal

from msgspec import Struct, field

from kilonova.model.caller import Caller


class NicWish(Struct, frozen=True, kw_only=True):
    """One NIC: a port that is there already, or a network on which one is to be made."""

    network_id: str | None = None
    port_id: str | None = None
    fixed_ip: str | None = None
    tag: str | None = None


class BlockDevice(Struct, frozen=True, kw_only=True):
    """One volume of a new server: one that is there (source ``volume``), or one made for it. `size_gb` None: the source's."""

    source: Literal["image", "volume", "snapshot", "blank"]
    source_id: str = ""
    size_gb: int | None = None
    boot_index: int | None = None
    device: str | None = None
    delete_on_termination: bool = False
    tag: str | None = None
    volume_type: str | None = None


class Wish(Struct, frozen=True, kw_only=True):
    """One POST /servers. `networks` None: the client said nothing, or ``auto`` (then `auto_network`); empty: ``none``."""

    caller: Caller
    request_id: str
    name: str
    flavor_id: str
    image_id: str | None
    block_devices: tuple[BlockDevice, ...] = ()
    """Its volumes. Without an image it boots from the one whose boot index is 0."""
    networks: tuple[NicWish, ...] | None = None
    auto_network: bool = False
    """There must be a network, and the cloud is to find it."""
    key_name: str | None = None
    user_data: str | None = None
    """Base64, already checked to be that."""
    config_drive: bool = False
    metadata: dict[str, str] = field(default_factory=dict)
    personality: tuple[tuple[str, str], ...] = ()
    """(path, base64 contents)"""
    min_count: int = 1
    max_count: int = 1
    availability_zone: str | None = None
    security_groups: tuple[str, ...] = ("default",)
    description: str | None = None
    hostname: str | None = None
    tags: tuple[str, ...] = ()
    admin_password: str | None = None
    access_ipv4: str = ""
    access_ipv6: str = ""
    host: str | None = None
    """Admins may name the host (microversion 2.74)."""
    disk_config: str = "MANUAL"
    hints: dict[str, Any] = field(default_factory=dict)
    """Scheduler hints, their form already checked."""
    idempotency_key: str | None = None
    traceparent: str = ""
    arrived_at: float = 0.0


class Ordered(Struct, frozen=True, kw_only=True):
    """What the API answers with: the servers now exist and will be built, or are in ERROR with a reason."""

    server_ids: tuple[str, ...]
    reservation_id: str
