"""What this volume service is: extensions, zones, filters. Only what is really there is listed."""

from collections.abc import Mapping

from kilonova.api.call import Answer, Call
from kilonova.api.volume import attachments, snapshots, volumes
from kilonova.api.volume.access import work_in
from kilonova.api.volume.listing import known_names

EXTENSIONS: Mapping[str, tuple[str, str]] = {
    "OS-SCH-HNT": ("SchedulerHints", "Pass arbitrary key/value pairs to the scheduler."),
    "os-admin-actions": ("AdminActions", "Enable admin actions."),
    "os-availability-zone": ("AvailabilityZones", "Describe Availability Zones."),
    "os-extended-snapshot-attributes": ("ExtendedSnapshotAttributes", "Extended SnapshotAttributes support."),
    "os-hosts": ("Hosts", "Admin-only host administration."),
    "os-quota-class-sets": ("QuotaClasses", "Quota classes management support."),
    "os-quota-sets": ("Quotas", "Quota management support."),
    "os-services": ("Services", "Services support."),
    "os-snapshot-actions": ("SnapshotActions", "Enable snapshot manager actions."),
    "os-types-extra-specs": ("TypesExtraSpecs", "Type extra specs support."),
    "os-types-manage": ("TypesManage", "Types manage support."),
    "os-used-limits": ("UsedLimits", "Provide data on limited resource that are being used."),
    "os-vol-host-attr": ("VolumeHostAttribute", "Expose host as an attribute of a volume."),
    "os-vol-image-meta": ("VolumeImageMetadata", "Show image metadata associated with the volume."),
    "os-vol-tenant-attr": ("VolumeTenantAttribute", "Expose the internal project_id as an attribute of a volume."),
    "os-volume-actions": ("VolumeActions", "Enable volume actions."),
    "os-volume-transfer": ("VolumeTransfer", "Volume transfer management support."),
    "os-volume-type-access": ("VolumeTypeAccess", "Volume type access support."),
    "qos-specs": ("Qos_specs_manage", "QoS specs support."),
    "scheduler-stats": ("Scheduler_stats", "Scheduler stats support."),
    "capabilities": ("Capabilities", "Capabilities support."),
}
"""Alias → (name, description)."""
UPDATED = "2026-01-01T00:00:00+00:00"


async def list_extensions(call: Call) -> Answer:
    found = [
        {"alias": alias, "name": name, "description": description, "updated": UPDATED, "links": []}
        for alias, (name, description) in EXTENSIONS.items()
    ]
    return Answer(200, {"extensions": found})


async def list_zones(call: Call) -> Answer:
    zone = await call.world.ledger.read(lambda books: work_in(books, call).terms.zone)
    return Answer(200, {"availabilityZoneInfo": [{"zoneName": zone, "zoneState": {"available": True}}]})


async def list_filters(call: Call) -> Answer:
    """Since 3.33: what lists can be filtered by."""
    known = {
        "volume": known_names(volumes.FILTERS),
        "snapshot": known_names(snapshots.FILTERS),
        "attachment": sorted(attachments.FILTERS),
        "message": ["event_id", "message_level", "request_id", "resource_type", "resource_uuid"],
        "pool": ["name"],
        "volume_type": ["is_public", "name"],
    }
    wanted = call.param("resource")
    found = [{"resource": noun, "filters": names} for noun, names in known.items() if wanted in (None, noun)]
    return Answer(200, {"resource_filters": found})
