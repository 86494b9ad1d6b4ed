"""Hosts and claims as OpenStack Placement tells them: inventories, allocations, traits. Chooses nothing and stores nothing."""

import zlib
from collections.abc import Mapping

from msgspec import Struct

from kilonova.model.host import Host

VCPU, MEMORY_MB, DISK_GB = "VCPU", "MEMORY_MB", "DISK_GB"
RESOURCE_CLASSES = (
    *(VCPU, MEMORY_MB, DISK_GB, "PCI_DEVICE", "SRIOV_NET_VF", "NUMA_SOCKET", "NUMA_CORE", "NUMA_THREAD", "NUMA_MEMORY_MB"),
    *("IPV4_ADDRESS", "VGPU", "VGPU_DISPLAY_HEAD", "NET_BW_EGR_KILOBIT_PER_SEC", "NET_BW_IGR_KILOBIT_PER_SEC", "PCPU"),
    *("MEM_ENCRYPTION_CONTEXT", "FPGA", "PGPU", "NET_PACKET_RATE_KILOPACKET_PER_SEC"),
    *("NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC", "NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC"),
)
"""The standard classes; hosts have the first three."""
BOOTABLE_TRAITS = ("COMPUTE_IMAGE_TYPE_ISO", "COMPUTE_IMAGE_TYPE_QCOW2", "COMPUTE_IMAGE_TYPE_RAW", "COMPUTE_NODE")
DISABLED = "COMPUTE_STATUS_DISABLED"
TRAITS = (*BOOTABLE_TRAITS, DISABLED)
"""Those that a host here may have."""


class Inventory(Struct, frozen=True):
    """How much of one class a host has, and how many times over it may be given away."""

    total: int
    ratio: float
    used: int

    @property
    def capacity(self) -> int:
        """What may be given away in all; also the most that one server may have."""
        return int(self.total * self.ratio)


class Provider(Struct, frozen=True, kw_only=True):
    """A host, with the ids of its aggregates."""

    id: str
    name: str
    inventories: dict[str, Inventory]
    aggregates: frozenset[str] = frozenset()
    traits: frozenset[str] = frozenset()

    @property
    def generation(self) -> int:
        """Another number when anything about it is different."""
        said = [(name, *(inventory.total, inventory.ratio, inventory.used)) for name, inventory in self.inventories.items()]
        return zlib.crc32(repr((self.name, said, sorted(self.aggregates), sorted(self.traits))).encode()) & 0x7FFFFFFF

    def has_room(self, wanted: Mapping[str, int]) -> bool:
        """Could all of this be claimed at once?"""
        return all(
            (has := self.inventories.get(name)) is not None and has.used + amount <= has.capacity
            for name, amount in wanted.items()
        )


class Allocation(Struct, frozen=True, kw_only=True):
    """What one server has claimed on one host. Memory in MiB, disk in GiB."""

    consumer: str
    """The server's id."""
    host: str
    project_id: str
    user_id: str
    vcpus: int
    ram_mb: int
    disk_gb: int

    @property
    def resources(self) -> dict[str, int]:
        """By class; what it has none of is not there."""
        every = {VCPU: self.vcpus, MEMORY_MB: self.ram_mb, DISK_GB: self.disk_gb}
        return {name: amount for name, amount in every.items() if amount > 0}


class Overcommit(Struct, frozen=True, kw_only=True):
    """How many times over what is there may be claimed."""

    cpu: float
    ram: float
    disk: float


def provider_of(host: Host, over: Overcommit, aggregates: frozenset[str] = frozenset()) -> Provider:
    """A host as a resource provider. A class it has nothing of is not in its inventories."""
    every = {
        VCPU: Inventory(host.vcpus, over.cpu, host.vcpus_used),
        MEMORY_MB: Inventory(host.ram_mb, over.ram, host.ram_mb_used),
        DISK_GB: Inventory(host.disk_gb, over.disk, host.disk_gb_used),
    }
    traits = frozenset(BOOTABLE_TRAITS) | (frozenset() if host.enabled else {DISABLED})
    return Provider(
        id=host.id,
        name=host.name,
        inventories={name: inventory for name, inventory in every.items() if inventory.total > 0},
        aggregates=aggregates,
        traits=traits,
    )
