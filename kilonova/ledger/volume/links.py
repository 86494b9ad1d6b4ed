"""The volumes of servers, in one query: as a server's node needs them, and as its owner sees them."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, func, select

from kilonova.ledger.network_listing import chunks
from kilonova.ledger.volume.tables import volume_attachments, volumes
from kilonova.lifecycle.audit.volumes import OpenVolume
from kilonova.model.ids import NodeName
from kilonova.model.volume_link import VolumeLink

_a, _v = volume_attachments.c, volumes.c


def links_of_server(connection: Connection, server_id: str) -> tuple[VolumeLink, ...]:
    """All of them, also those on their way, the devices in order."""
    wanted = (_a.id, _a.device, _a.boot_index, _a.delete_on_termination, _a.tag, _v.id.label("volume_id"), _v.node, _v.size_gb)
    query = select(*wanted, _v.read_only).join(volumes, _v.id == _a.volume_id)
    rows = connection.execute(query.where(_a.server_id == server_id).order_by(func.length(_a.device), _a.device))
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
    query = select(_a.server_id, _a.volume_id, _a.delete_on_termination).order_by(func.length(_a.device), _a.device)
    for some in chunks(server_ids):
        for server_id, volume_id, goes_along in connection.execute(query.where(_a.server_id.in_(some))):
            found.setdefault(server_id, []).append((volume_id, goes_along))
    return found


def open_volumes(connection: Connection) -> tuple[OpenVolume, ...]:
    """Every volume there is, with its attachments: what an audit compares with the volume nodes."""
    attached: dict[str, dict[str, str | None]] = {}
    states: dict[str, dict[str, str]] = {}
    for row in connection.execute(select(_a.id, _a.volume_id, _a.server_id, _a.state, _a.made_by_server)):
        attached.setdefault(row.volume_id, {})[row.id] = row.server_id
        if row.made_by_server:
            states.setdefault(row.volume_id, {})[row.id] = row.state
    rows = connection.execute(select(_v.id, _v.status, _v.node, _v.work_id))
    return tuple(OpenVolume(**row._mapping, attachments=attached.get(row.id, {}), states=states.get(row.id, {})) for row in rows)
