"""The volume API's nouns as clients read them, in the form of their microversion."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from kilonova.api.call import Call
from kilonova.api.world import Books
from kilonova.model.volume import Attachment, Snapshot, Transfer, Volume, VolumeType, host_of

View = dict[str, Any]
SINCE: Mapping[str, int] = {
    "group_id": 13,
    "provider_id": 21,
    "service_uuid": 48,
    "shared_targets": 48,
    "cluster_name": 61,
    "volume_type_id": 63,
    "consumes_quota": 65,
    "group_snapshot_id": 14,
}
"""Field → the minor version that brought it."""
SHOWN_SPECS = ("RESKEY:availability_zones", "multiattach", "replication_enabled")
"""What of a type's extra specs everyone may see."""


class ShownVolume(Struct, frozen=True, kw_only=True):
    """A volume with what its view needs besides."""

    volume: Volume
    type_name: str | None
    attachments: Sequence[Attachment]
    service_id: str | None


def stamp(when: float | None) -> str | None:
    return None if when is None else datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def links(call: Call, collection: str, thing_id: str) -> list[dict[str, str]]:
    """With the version in it, and without."""
    base, project = f"{call.world.public_url}/volume", call.who.project_id
    where = f"{project}/{collection}/{thing_id}" if project else f"{collection}/{thing_id}"
    return [{"rel": "self", "href": f"{base}/v3/{where}"}, {"rel": "bookmark", "href": f"{base}/{where}"}]


def look_up(books: Books, volumes: Sequence[Volume], now: float) -> list[ShownVolume]:
    """What else their views need: a few queries, however many they are."""
    book = books.volumes
    names = book.types.names()
    services = {node.name: node.id for node in book.nodes.all(now)}
    attachments = book.attachments.of_volumes([one.id for one in volumes])
    return [
        ShownVolume(
            volume=one,
            type_name=names.get(one.volume_type_id),
            attachments=attachments.get(one.id, ()),
            service_id=services.get(one.node or ""),
        )
        for one in volumes
    ]


def volume(call: Call, shown: ShownVolume, *, whole: bool = True) -> View:
    """`whole`: as it is shown and listed; without, as the answer to its making and changing."""
    one, admin = shown.volume, call.who.is_admin
    view = {
        "id": one.id,
        "name": one.name,
        "description": one.description,
        "status": one.status,
        "size": one.size_gb,
        "availability_zone": one.availability_zone,
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.updated_at),
        "attachments": [_attached(a, admin) for a in shown.attachments if a.state in ("attached", "detaching")],
        "volume_type": shown.type_name,
        "volume_type_id": one.volume_type_id,
        "snapshot_id": one.snapshot_id,
        "source_volid": one.source_volid,
        "metadata": _told(one),
        "links": links(call, "volumes", one.id),
        "user_id": one.user_id,
        "bootable": str(one.bootable).lower(),
        "encrypted": False,
        "replication_status": None,
        "consistencygroup_id": None,
        "multiattach": False,
        "group_id": None,
        "service_uuid": shown.service_id,
        "shared_targets": False,
        "consumes_quota": True,
    }
    if admin:
        view |= {"migration_status": None, "provider_id": None, "cluster_name": None}
    if whole:
        view |= _extended(one, admin)
    return spoken(call, view)


def _extended(one: Volume, admin: bool) -> View:
    """What only a volume that is shown or listed says of itself."""
    view: View = {"os-vol-tenant-attr:tenant_id": one.project_id}
    if one.image_metadata is not None:
        view["volume_image_metadata"] = dict(one.image_metadata)
    if admin:
        view["os-vol-host-attr:host"] = host_of(one.node)
        view["os-vol-mig-status-attr:migstat"] = None
        view["os-vol-mig-status-attr:name_id"] = None
    return view


def volume_summary(call: Call, one: Volume) -> View:
    return {"id": one.id, "name": one.name, "links": links(call, "volumes", one.id)}


def snapshot(call: Call, one: Snapshot, *, detail: bool) -> View:
    view = {
        "id": one.id,
        "name": one.name,
        "description": one.description,
        "volume_id": one.volume_id,
        "status": one.status,
        "size": one.size_gb,
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.updated_at),
        "metadata": dict(one.metadata),
        "group_snapshot_id": None,
        "consumes_quota": True,
    }
    if call.version[1] >= 41:
        view["user_id"] = one.user_id
    if not detail:
        view.pop("group_snapshot_id")
    else:
        view["os-extended-snapshot-attributes:progress"] = one.progress or "0%"
        view["os-extended-snapshot-attributes:project_id"] = one.project_id
    return spoken(call, view)


def attachment(one: Attachment) -> View:
    """As the attachments API shows it. How to reach the bytes is told to compute nodes only."""
    return {
        "id": one.id,
        "status": one.state,
        "instance": one.server_id,
        "volume_id": one.volume_id,
        "attached_at": stamp(one.attached_at) or "",
        "detached_at": stamp(one.detached_at) or "",
        "attach_mode": one.mode,
        "connection_info": {},
    }


def volume_type(call: Call, one: VolumeType, *, made: bool = False) -> View:
    """`made`: as the answer to its making."""
    admin = call.who.is_admin
    specs = one.extra_specs if admin else {name: one.extra_specs[name] for name in SHOWN_SPECS if name in one.extra_specs}
    view = {
        "id": one.id,
        "name": one.name,
        "is_public": one.is_public,
        "description": one.description,
        "os-volume-type-access:is_public": one.is_public,
        "extra_specs": dict(specs),
    }
    if admin and not made:
        view["qos_specs_id"] = one.qos_specs_id
    return view


def transfer(call: Call, one: Transfer, *, detail: bool, new_path: bool) -> View:
    view: View = {
        "id": one.id,
        "volume_id": one.volume_id,
        "name": one.name,
        "links": links(call, "volume-transfers" if new_path else "os-volume-transfer", one.id),
    }
    if detail:
        view["created_at"] = stamp(one.created_at)
        if call.version[1] >= 55 and new_path:
            view["no_snapshots"] = not one.with_snapshots
        if call.version[1] >= 57 and new_path:
            view |= {"source_project_id": one.source_project_id, "destination_project_id": None, "accepted": False}
    return view


def spoken(call: Call, view: View) -> View:
    """Without what the client's version does not know."""
    minor = call.version[1]
    return {name: value for name, value in view.items() if SINCE.get(name, 0) <= minor}


def _told(one: Volume) -> dict[str, str]:
    """What an admin once said of it stands among its own metadata, as in Cinder."""
    return {**one.metadata, **({} if one.read_only is None else {"readonly": str(one.read_only)})}


def _attached(one: Attachment, admin: bool) -> View:
    return {
        "id": one.volume_id,
        "attachment_id": one.id,
        "volume_id": one.volume_id,
        "server_id": one.server_id,
        "host_name": one.host_name if admin else None,
        "device": one.device,
        "attached_at": stamp(one.attached_at),
    }
