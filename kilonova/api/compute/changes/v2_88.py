"""2.88: a hypervisor shows its uptime, and no longer its resources: those are Placement's business."""

from typing import Any

import msgspec

from kilonova.api.compute.changes.change import Change, Document, Shown
from kilonova.model.host import Host


def with_resources(document: Document, about: Host) -> Document:
    document.pop("uptime", None)
    document.update(
        cpu_info=_object(about.cpu_info),
        vcpus=about.vcpus,
        vcpus_used=about.vcpus_used,
        memory_mb=about.ram_mb,
        memory_mb_used=about.ram_mb_used,
        free_ram_mb=about.ram_mb - about.ram_mb_used,
        local_gb=about.disk_gb,
        local_gb_used=about.disk_gb_used,
        free_disk_gb=about.disk_gb - about.disk_gb_used,
        disk_available_least=about.disk_gb - about.disk_gb_used,
        running_vms=about.servers,
        current_workload=0,
    )
    return document


def _object(text: str) -> Any:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


CHANGE = Change(lower={Shown.HYPERVISOR: with_resources})
