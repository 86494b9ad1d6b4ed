"""The volumes of servers, in one query: as a server's node needs them, and as its owner sees them."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, bindparam, func, select

from kilonova.ledger.network_listing import chunks
from kilonova.ledger.volume.tables import volume_attachments, volumes
from kilonova.lifecycle.audit.volumes import OpenVolume
from kilonova.model.ids import NodeName
from kilonova.model.volume_link import VolumeLink

_a, _v = volume_attachments.c, volumes.c
_BY_DEVICE = (func.length(_a.device), _a.device)
_LINKS = (
    select(_a.id, _a.device, _a.boot_index, _a.delete_on_termination, _a.tag, _a.volume_id, _v.node, _v.size_gb, _v.read_only)
    .join(volumes, _v.id == _a.volume_id)
    .where(_a.server_id == bindparam("server"))
    .order_by(*_BY_DEVICE)
)
_OF_SERVERS = (
    select(_a.server_id, _a.volume_id, _a.delete_on_termination)
    .where(_a.server_id.in_(bindparam("servers", expanding=True)))
    .order_by(*_BY_DEVICE)
)
_ATTACHED = select(_a.id, _a.volume_id, _a.server_id, _a.state, _a.made_by_server)
_VOLUMES = select(_v.id, _v.status, _v.node, _v.work_id)


def links_of_server(connection: Connection, server_id: str) -> tuple[VolumeLink, ...]:
    """All of them, also those on their way, the devices in order."""
    rows = connection.execute(_LINKS, {"server": server_id})
    return tuple(
        VolumeLink(
            attachment_id=row.id,
            volume_id=row.volume_id,
            node=NodeName(row.node or ""),
            size_gb=row.size_gb,
            device=row.device or "",
            boot_index=row.boot_index,
            read_only=bool(row.read_only),
            delete_on_termination=row.delete_on_termination,
            tag=row.tag,
        )
        for row in rows
    )


def volumes_of_servers(connection: Connection, server_ids: Sequence[str]) -> Mapping[str, Sequence[tuple[str, bool]]]:
    """Server id → (volume id, whether it goes with the server), the devices in order; a server without any is not in it."""
    found: dict[str, list[tuple[str, bool]]] = {}
    for some in chunks(server_ids):
        for server_id, volume_id, goes_along in connection.execute(_OF_SERVERS, {"servers": some}):
            found.setdefault(server_id, []).append((volume_id, goes_along))
    return found


def open_volumes(connection: Connection) -> tuple[OpenVolume, ...]:
    """Every volume there is, with its attachments: what an audit compares with the volume nodes."""
    attached: dict[str, dict[str, str | None]] = {}
    states: dict[str, dict[str, str]] = {}
    for row in connection.execute(_ATTACHED):
        attached.setdefault(row.volume_id, {})[row.id] = row.server_id
        if row.made_by_server:
            states.setdefault(row.volume_id, {})[row.id] = row.state
    return tuple(
        OpenVolume(**row._mapping, attachments=attached.get(row.id, {}), states=states.get(row.id, {}))
        for row in connection.execute(_VOLUMES)
    )
