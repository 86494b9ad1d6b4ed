"""Which volumes and snapshots have had a transient status for too long, without any order that would end it."""

from sqlalchemy import Connection, func, select

from kilonova.ledger.volume.tables import volume_snapshots, volumes
from kilonova.lifecycle.volume_unended import ENDS_AS, SNAPSHOT_ENDS_AS, Unended

_v, _s = volumes.c, volume_snapshots.c
_VOLUMES = select(_v.id).where(_v.work_id.is_(None), _v.status.in_(ENDS_AS))
_SNAPSHOTS = select(_s.id).where(_s.work_id.is_(None), _s.status.in_(SNAPSHOT_ENDS_AS))


def unended(connection: Connection, before: float) -> Unended:
    """Nothing has changed them since `before` (Unix seconds)."""
    idle = connection.execute(_VOLUMES.where(func.coalesce(_v.updated_at, _v.created_at) < before)).scalars().all()
    kept = connection.execute(_SNAPSHOTS.where(func.coalesce(_s.updated_at, _s.created_at) < before)).scalars().all()
    return Unended(volumes=tuple(idle), snapshots=tuple(kept))
