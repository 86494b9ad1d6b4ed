"""A hypervisor host as control knows it: what it can hold, what is claimed on it, whether its node is alive."""

from msgspec import Struct

from kilonova.model.ids import HostName, NodeName


class Host(Struct, frozen=True):
    """One row. Memory in MiB, disk in GiB; `used` is what placed servers have claimed, not what is measured.

    Made from a row by position, hundreds at a time for each build: the ledger's snapshot has its columns in this order.
    """

    name: HostName
    node: NodeName
    id: str
    """A UUID, as os-hypervisors shows it from microversion 2.53."""
    service_id: str
    hypervisor_type: str
    hypervisor_version: int
    host_ip: str
    cpu_info: str
    vcpus: int
    ram_mb: int
    disk_gb: int
    vcpus_used: int
    ram_mb_used: int
    disk_gb_used: int
    servers: int
    availability_zone: str
    enabled: bool
    disabled_reason: str | None
    created_at: float
    last_seen: float
    up: bool
    """Its node was heard of within the last minute."""


class Role(Struct, frozen=True, kw_only=True):
    """A running part of the cloud, as os-services lists it."""

    id: str
    binary: str
    """nova-compute, nova-scheduler, nova-conductor, kilonova-network: the names clients look for."""
    host: str
    zone: str
    enabled: bool
    up: bool
    updated_at: float
    disabled_reason: str | None = None
    forced_down: bool = False
    """An admin said that it is down, whatever it says itself."""
