"""/servers/{id}/diagnostics: how a guest does, for admins. Until 2.47 each hypervisor had words of its own: libvirt's here."""

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import only
from kilonova.api.compute.changes.change import Document
from kilonova.api.compute.servers import find
from kilonova.model.diagnostics import Diagnostics, DiskCounters
from kilonova.model.server import Server

ONE_FORM_SINCE = (2, 48)
DRIVER = "libvirt"
"""Of the names that Nova's clients know, the one whose guests are QEMU's."""
VIRT_TYPES = {"tcg": "qemu"}
"""Accelerator → what libvirt calls it, where that is another word."""
NOT_COUNTED = tuple(f"{way}_{what}" for way in ("rx", "tx") for what in ("octets", "errors", "drop", "packets", "rate"))


async def show(call: Call) -> Answer:
    """409 for a guest that does not run."""
    only(call)
    server = await call.world.ledger.read(lambda books: find(call, books))
    found = await call.world.servers.diagnostics(server)
    return Answer(200, _one_form(call, server, found) if call.version >= ONE_FORM_SINCE else _libvirts(server, found))


def _one_form(call: Call, server: Server, found: Diagnostics) -> Document:
    return {
        "state": found.power,
        "driver": DRIVER,
        "hypervisor": VIRT_TYPES.get(found.accelerator, found.accelerator),
        "hypervisor_os": "linux",
        "uptime": max(0, int(call.world.now() - found.started_at)),
        "config_drive": server.config_drive,
        "num_cpus": server.flavor.vcpus,
        "num_nics": len(found.nics),
        "num_disks": len(found.disks),
        "memory_details": {"maximum": server.flavor.ram_mb, "used": None},
        "cpu_details": [{"id": cpu.id, "time": cpu.time_ns, "utilisation": None} for cpu in found.cpus],
        "nic_details": [{"mac_address": mac, **dict.fromkeys(NOT_COUNTED)} for mac in found.nics],
        "disk_details": [_disk(disk) for disk in found.disks],
    }


def _disk(disk: DiskCounters) -> Document:
    return {
        "read_bytes": disk.read_bytes,
        "read_requests": disk.read_requests,
        "write_bytes": disk.write_bytes,
        "write_requests": disk.write_requests,
        "errors_count": disk.errors,
    }


def _libvirts(server: Server, found: Diagnostics) -> Document:
    """Memory in KiB, times in ns; a disk by its own name instead of the guest's."""
    document: Document = {"memory": server.flavor.ram_mb * 1024}
    if found.resident_bytes is not None:
        document["memory-rss"] = found.resident_bytes // 1024
    document |= {f"cpu{cpu.id}_time": cpu.time_ns for cpu in found.cpus if cpu.time_ns is not None}
    for disk in found.disks:
        document |= {
            f"{disk.name}_read": disk.read_bytes,
            f"{disk.name}_read_req": disk.read_requests,
            f"{disk.name}_write": disk.write_bytes,
            f"{disk.name}_write_req": disk.write_requests,
            f"{disk.name}_errors": disk.errors,
        }
    return document
