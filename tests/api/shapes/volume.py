"""What the volume service answers, route by route (`/v3/{project_id}/…` is `/v3/…`).

A route that is not here answers with no body.
"""

from tests.api.shapes.notation import LINKS, TIME_MICRO, UUID, Map, OneOf, Shape, maybe
from tests.api.shapes.tables import Answers, error_of_nova, limits_of

error = error_of_nova
STAMP = maybe(TIME_MICRO)
STRINGS = Map(str)

VERSIONS = {
    "versions": [
        {
            "id": "v3.0",
            "status": "CURRENT",
            "version": str,
            "min_version": "3.0",
            "updated": str,
            "links": LINKS,
            "media-types": [{"base": str, "type": str}],
        }
    ]
}
ATTACHED = {
    "id": UUID,
    "attachment_id": UUID,
    "volume_id": UUID,
    "server_id": str | None,
    "host_name": str | None,
    "device": str | None,
    "attached_at": STAMP,
}
VOLUME_BRIEF = {"id": UUID, "name": str | None, "links": LINKS}
VOLUME_MADE = VOLUME_BRIEF | {
    "description": str | None,
    "status": str,
    "size": int,
    "availability_zone": str,
    "created_at": TIME_MICRO,
    "updated_at": STAMP,
    "attachments": [ATTACHED],
    "volume_type": str | None,
    "volume_type_id@3.63": UUID,
    "snapshot_id": maybe(UUID),
    "source_volid": maybe(UUID),
    "metadata": STRINGS,
    "user_id": str,
    "bootable": OneOf("true", "false"),
    "encrypted": bool,
    "replication_status": None,
    "consistencygroup_id": None,
    "multiattach": bool,
    "group_id@3.13": None,
    "service_uuid@3.48": maybe(UUID),
    "shared_targets@3.48": bool,
    "consumes_quota@3.65": bool,
    "migration_status?": None,
    "provider_id@3.21?": None,
    "cluster_name@3.61?": None,
}
VOLUME = VOLUME_MADE | {
    "os-vol-tenant-attr:tenant_id": str,
    "volume_image_metadata?": STRINGS,
    "os-vol-host-attr:host?": str | None,
    "os-vol-mig-status-attr:migstat?": None,
    "os-vol-mig-status-attr:name_id?": None,
}
SNAPSHOT_BRIEF = {
    "id": UUID,
    "name": str | None,
    "description": str | None,
    "volume_id": UUID,
    "status": str,
    "size": int,
    "created_at": TIME_MICRO,
    "updated_at": STAMP,
    "metadata": STRINGS,
    "user_id@3.41": str,
    "consumes_quota@3.65": bool,
}
SNAPSHOT = SNAPSHOT_BRIEF | {
    "group_snapshot_id@3.14": None,
    "os-extended-snapshot-attributes:progress": str,
    "os-extended-snapshot-attributes:project_id": str,
}
ATTACHMENT_BRIEF = {"id": UUID, "status": str, "instance": str | None, "volume_id": UUID}
ATTACHMENT = ATTACHMENT_BRIEF | {
    "attached_at": str,
    "detached_at": str,
    "attach_mode": str | None,
    "connection_info": Map(object),
}
TYPE = {
    "id": UUID,
    "name": str,
    "is_public": bool,
    "description": str | None,
    "os-volume-type-access:is_public?": bool,
    "extra_specs": STRINGS,
    "qos_specs_id?": maybe(UUID),
}
TRANSFER_BRIEF = {"id": UUID, "volume_id": UUID, "name": str | None, "links": LINKS}
TRANSFER_OLD = TRANSFER_BRIEF | {"created_at": TIME_MICRO}
TRANSFER = TRANSFER_OLD | {
    "no_snapshots@3.55": bool,
    "source_project_id@3.57": str,
    "destination_project_id@3.57": str | None,
    "accepted@3.57": bool,
}
MESSAGE = {
    "id": UUID,
    "request_id": str,
    "resource_type": str,
    "resource_uuid": UUID,
    "event_id": str,
    "message_level": "ERROR",
    "user_message": str,
    "created_at": TIME_MICRO,
    "guaranteed_until": TIME_MICRO,
    "links": LINKS,
}
QOS = {"id": UUID, "name": str, "consumer": OneOf("front-end", "back-end", "both"), "specs": STRINGS}
COUNTED = ("volumes", "snapshots", "gigabytes", "backups", "backup_gigabytes", "groups", "per_volume_gigabytes")
PER_TYPE = r"(volumes|snapshots|gigabytes)_.+"
QUOTAS = limits_of(COUNTED, int, PER_TYPE)
QUOTAS_USED = limits_of(COUNTED, {"limit": int, "in_use": int, "reserved": int}, PER_TYPE)
ABSOLUTE = {
    f"{word}{what}{end}": int
    for word, end, names in (
        ("maxTotal", "", ("Volumes", "Snapshots", "VolumeGigabytes", "Backups", "BackupGigabytes")),
        ("total", "Used", ("Volumes", "Snapshots", "Gigabytes", "Backups", "BackupGigabytes")),
    )
    for what in names
}
UPLOADED = {
    "id": UUID,
    "updated_at": STAMP,
    "status": str,
    "display_description": str | None,
    "size": int,
    "volume_type": maybe(Map(object)),
    "image_id": UUID,
    "container_format": str,
    "disk_format": str,
    "image_name": str,
    "visibility@3.1": str,
    "protected@3.1": bool,
}
POOL_FIGURES = {
    "timestamp": str,
    "volume_backend_name": str,
    "vendor_name": str,
    "driver_version": str,
    "storage_protocol": str,
    "total_capacity_gb": float | str,
    "free_capacity_gb": float | str,
    "provisioned_capacity_gb": float,
    "reserved_percentage": int,
    "QoS_support": bool,
    "multiattach": bool,
    "thin_provisioning_support": bool,
}
SERVICE = {
    "binary": str,
    "host": str,
    "zone": str,
    "status": OneOf("enabled", "disabled"),
    "state": OneOf("up", "down"),
    "updated_at": str | None,
    "disabled_reason?": str | None,
    "cluster@3.7": str | None,
    "backend_state@3.49?": str,
}
SERVICE_SET = {"host": str, "service": str, "binary": str, "disabled": bool, "status": str, "disabled_reason?": str | None}
CAPABILITIES = {
    "namespace": str,
    "vendor_name": str,
    "volume_backend_name": str,
    "pool_name": str,
    "driver_version": str,
    "storage_protocol": str,
    "display_name": str | None,
    "description": str | None,
    "visibility": str | None,
    "replication_targets": [object],
    "properties": Map(object),
}
HOST = {
    "host_name": str,
    "service": str,
    "zone": str,
    "service-status": str,
    "service-state": str,
    "last-update": str | None,
}
HOST_COUNTS = {
    "resource": {
        "host": str,
        "project": str,
        "volume_count": str,
        "total_volume_gb": str,
        "snapshot_count": str,
        "total_snapshot_gb": str,
    }
}


def _metadata_of(path: str) -> Answers:
    plain, one = {200: {"metadata": STRINGS}}, {200: {"meta": STRINGS}}
    return {
        f"GET {path}": plain,
        f"POST {path}": plain,
        f"PUT {path}": plain,
        f"GET {path}/{{key}}": one,
        f"PUT {path}/{{key}}": one,
    }


def _transfers(path: str, shape: Shape) -> Answers:
    return {
        f"GET {path}": {200: {"transfers": [TRANSFER_BRIEF]}},
        f"POST {path}": {202: {"transfer": {**shape, "auth_key": str}}},
        f"GET {path}/detail": {200: {"transfers": [shape]}},
        f"GET {path}/{{transfer_id}}": {200: {"transfer": shape}},
        f"POST {path}/{{transfer_id}}/accept": {202: {"transfer": TRANSFER_BRIEF}},
    }


SHAPES: Answers = {
    "GET /": {300: VERSIONS},
    "GET /v3": {200: VERSIONS},
    "GET /v3/volumes": {200: {"volumes": [VOLUME_BRIEF], "volumes_links?": LINKS, "count@3.45?": int}},
    "POST /v3/volumes": {202: {"volume": VOLUME_MADE}},
    "GET /v3/volumes/detail": {200: {"volumes": [VOLUME], "volumes_links?": LINKS, "count@3.45?": int}},
    "GET /v3/volumes/summary": {
        200: {"volume-summary": {"total_count": int, "total_size": int, "metadata@3.36": Map([str])}},
    },
    "GET /v3/volumes/{volume_id}": {200: {"volume": VOLUME}},
    "PUT /v3/volumes/{volume_id}": {200: {"volume": VOLUME_MADE}},
    "POST /v3/volumes/{volume_id}/action": {
        200: OneOf(None, {"metadata": STRINGS}, {"connection_info": Map(object)}),
        202: OneOf(None, {"os-volume_upload_image": UPLOADED}),
    },
    "GET /v3/volumes/{volume_id}/encryption": {200: {"encryption_key_id?": None}},
    "GET /v3/snapshots": {200: {"snapshots": [SNAPSHOT_BRIEF], "snapshots_links?": LINKS, "count@3.45?": int}},
    "POST /v3/snapshots": {202: {"snapshot": SNAPSHOT_BRIEF}},
    "GET /v3/snapshots/detail": {200: {"snapshots": [SNAPSHOT], "snapshots_links?": LINKS, "count@3.45?": int}},
    "GET /v3/snapshots/{snapshot_id}": {200: {"snapshot": SNAPSHOT}},
    "PUT /v3/snapshots/{snapshot_id}": {200: {"snapshot": SNAPSHOT_BRIEF}},
    **_metadata_of("/v3/volumes/{volume_id}/metadata"),
    **_metadata_of("/v3/snapshots/{snapshot_id}/metadata"),
    **_transfers("/v3/os-volume-transfer", TRANSFER_OLD),
    **_transfers("/v3/volume-transfers", TRANSFER),
    "GET /v3/attachments": {200: {"attachments": [ATTACHMENT_BRIEF], "attachments_links?": LINKS}},
    "POST /v3/attachments": {200: {"attachment": ATTACHMENT}},
    "GET /v3/attachments/detail": {200: {"attachments": [ATTACHMENT], "attachments_links?": LINKS}},
    "GET /v3/attachments/{attachment_id}": {200: {"attachment": ATTACHMENT}},
    "DELETE /v3/attachments/{attachment_id}": {200: {"attachments": [ATTACHMENT_BRIEF]}},
    "GET /v3/messages": {200: {"messages": [MESSAGE], "messages_links?": LINKS}},
    "GET /v3/messages/{message_id}": {200: {"message": MESSAGE}},
    "GET /v3/types": {200: {"volume_types": [TYPE], "volume_type_links?": LINKS}},
    "POST /v3/types": {200: {"volume_type": TYPE}},
    "GET /v3/types/default": {200: {"volume_type": TYPE}},
    "GET /v3/types/{type_id}": {200: {"volume_type": TYPE}},
    "PUT /v3/types/{type_id}": {200: {"volume_type": TYPE}},
    "GET /v3/types/{type_id}/encryption": {200: {}},
    "GET /v3/types/{type_id}/os-volume-type-access": {
        200: {"volume_type_access": [{"volume_type_id": UUID, "project_id": str}]},
    },
    "GET /v3/types/{type_id}/extra_specs": {200: {"extra_specs": STRINGS}},
    "POST /v3/types/{type_id}/extra_specs": {200: {"extra_specs": STRINGS}},
    "GET /v3/types/{type_id}/extra_specs/{key}": {200: STRINGS},
    "PUT /v3/types/{type_id}/extra_specs/{key}": {200: STRINGS},
    "GET /v3/qos-specs": {200: {"qos_specs": [QOS], "qos_specs_links?": LINKS}},
    "POST /v3/qos-specs": {200: {"qos_specs": QOS, "links": LINKS}},
    "GET /v3/qos-specs/{qos_id}": {200: {"qos_specs": QOS, "links": LINKS}},
    "PUT /v3/qos-specs/{qos_id}": {200: {"qos_specs": STRINGS}},
    "GET /v3/qos-specs/{qos_id}/associations": {
        200: {"qos_associations": [{"association_type": "volume_type", "id": UUID, "name": str}]},
    },
    "GET /v3/limits": {200: {"limits": {"rate": [object], "absolute": ABSOLUTE}}},
    "GET /v3/os-quota-sets/{target_id}": {200: OneOf({"quota_set": QUOTAS}, {"quota_set": QUOTAS_USED})},
    "PUT /v3/os-quota-sets/{target_id}": {200: {"quota_set": QUOTAS}},
    "GET /v3/os-quota-sets/{target_id}/defaults": {200: {"quota_set": QUOTAS}},
    "GET /v3/os-quota-class-sets/{class_name}": {200: {"quota_class_set": QUOTAS}},
    "PUT /v3/os-quota-class-sets/{class_name}": {200: {"quota_class_set": QUOTAS}},
    "GET /v3/extensions": {
        200: {"extensions": [{"alias": str, "name": str, "description": str, "updated": str, "links": [object]}]},
    },
    "GET /v3/os-availability-zone": {200: {"availabilityZoneInfo": [{"zoneName": str, "zoneState": {"available": bool}}]}},
    "GET /v3/resource_filters": {200: {"resource_filters": [{"resource": str, "filters": [str]}]}},
    "GET /v3/os-services": {200: {"services": [SERVICE]}},
    "PUT /v3/os-services/{action}": {200: SERVICE_SET},
    "GET /v3/os-hosts": {200: {"hosts": [HOST]}},
    "GET /v3/os-hosts/{host}": {200: {"host": [HOST_COUNTS]}},
    "GET /v3/scheduler-stats/get_pools": {200: {"pools": [{"name": str, "capabilities?": POOL_FIGURES}]}},
    "GET /v3/capabilities/{host}": {200: CAPABILITIES},
}
