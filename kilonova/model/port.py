"""A port as a build needs it: the addresses are fixed when the order is written, long before anything is wired."""

from msgspec import Struct

from kilonova.model.ids import NetworkId, PortId, SubnetId


class Address(Struct, frozen=True, kw_only=True):
    """One fixed address, with what its subnet tells the guest by DHCP."""

    subnet_id: SubnetId
    ip: str
    cidr: str
    """The subnet, e.g. ``10.0.0.0/24``."""
    gateway: str | None
    dns: tuple[str, ...] = ()
    host_routes: tuple[tuple[str, str], ...] = ()
    """(destination CIDR, next hop) pairs."""
    dhcp: bool = True


class Port(Struct, frozen=True, kw_only=True):
    """One virtual NIC. `mac` in lower case with colons; `mtu` in bytes."""

    id: PortId
    network_id: NetworkId
    network_name: str
    mac: str
    addresses: tuple[Address, ...]
    mtu: int = 1500
    port_security: bool = True
    external: bool = False
    made_for_server: bool = True
    """Made by the order itself, so it goes when the server goes; a user's own port is only unbound."""
    up: bool = True
    """Its owner has not switched it off."""
    groups: tuple[str, ...] = ()
    """Ids of the security groups it is in; counts only with `port_security`. In none, nothing passes but what it must have."""
    allowed_pairs: tuple[tuple[str, str], ...] = ()
    """(CIDR or IP, MAC) under which it may send, besides its own."""
    dhcp_options: tuple[tuple[str, str, int], ...] = ()
    """(name or number, value, IP version) that DHCP tells this guest besides what it tells all."""


class Wire(Struct, frozen=True, kw_only=True):
    """What the network node answers for one port: how a guest on this host reaches it."""

    port_id: PortId
    mac: str
    mtu: int
    kind: str
    """``tap`` (a bridge in a network namespace), ``user`` (QEMU's own user networking) or ``simulated``."""
    namespace: str = ""
    """kind=tap: the network namespace the bridge is in, below /run/netns."""
    bridge: str = ""
    tap: str = ""
    """kind=tap: the tap's name, derived from the port's id, at most 15 characters."""
    addresses: tuple[Address, ...] = ()
    ssh_port: int = 0
    """kind=user: the loopback TCP port that QEMU forwards to the guest's port 22."""
    metadata: bool = False
    """True when the metadata service at 169.254.169.254 answers on this wire; else the guest needs a config drive."""
