"""A simulated cloud with one server in it, ready for something to be planted; and all that is in it, to be compared."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import select, text

from kilonova.ledger.schema import metadata
from kilonova.model.ids import new_uuid
from kilonova.sim import SimulatedCloud

VOLATILE = {"updated_at", "revision_number", "last_seen", "published_at", "sent", "confirmed", "wanted", "work_id", "carried"}
"""Columns that say when or how often, and that mending may move."""
NOT_COMPARED = {"news", "nodes"}


class Scene(msgspec.Struct):
    """What a plant needs to know. `gone`: a server that is deleted, if it was prepared; `unknown`: one that never was."""

    server_id: str
    project_id: str
    gone: str
    unknown: str
    kept: dict[str, str] = {}


async def scene_of(cloud: SimulatedCloud) -> Scene:
    """One server, ACTIVE."""
    server = await cloud.wait_for(await cloud.build(), "ACTIVE")
    assert await cloud.clean() == []
    return Scene(server_id=server.id, project_id=server.project_id, gone=new_uuid(), unknown=new_uuid())


async def gone(cloud: SimulatedCloud, scene: Scene) -> None:
    """Another server was there, and was deleted."""
    scene.gone = await cloud.build(name="other")
    await cloud.wait_for(scene.gone, "ACTIVE")
    assert await cloud.delete(scene.gone) == 204
    await cloud.wait_for(scene.gone, "DELETED")
    assert await cloud.clean() == []


def hands_of(cloud: SimulatedCloud, host: str) -> Any:
    """The drivers of one host."""
    return next(role.node.hosts[host] for role in cloud.computes.values() if host in role.node.hosts)  # type: ignore[index]


async def sql(cloud: SimulatedCloud, query: str, **values: Any) -> list[Any]:
    """Straight into the ledger; rows, if there are some."""

    def run(tx: Any) -> list[Any]:
        result = tx.connection.execute(text(query), values)
        return list(result.all()) if result.returns_rows else []

    return await cloud.ledger.write(run)


async def row(cloud: SimulatedCloud, table: str, **values: Any) -> None:
    """One more."""
    await cloud.ledger.write(lambda tx: tx.connection.execute(metadata.tables[table].insert().values(**values)))


async def everything(cloud: SimulatedCloud) -> Mapping[str, Any]:
    """Every row of the ledger but for what moves by itself, and what every node has."""

    def read(tx: Any) -> dict[str, Any]:
        found = {}
        for name, table in metadata.tables.items():
            if name not in NOT_COMPARED:
                columns = [column for column in table.columns if column.name not in VOLATILE]
                columns = [column for column in columns if (name, column.name) != ("freed_addresses", "id")]
                found[name] = sorted(map(repr, tx.connection.execute(select(*columns)).all()))
        return found

    rows = await cloud.ledger.read(read)
    own: list[Any] = []
    for role in cloud.computes.values():
        own.append(sorted(entry.key for entry in role.journal.entries()) if role.alive else [])
        for hands in role.node.hosts.values():
            own += [dict(hands.hypervisor._memory.words), dict(hands.disks._memory.words), dict(hands.hypervisor.remains)]  # type: ignore[attr-defined]
    network, store = cloud.network.node.network, cloud.volume.node.store
    own += [dict(network._memory.words), sorted(key.partition("/")[2] for key in network._heard.words), dict(network.remains)]  # type: ignore[attr-defined]
    own += [dict(store._volumes.words), dict(store._exports.words), dict(store.remains)]  # type: ignore[attr-defined]
    own.append(sorted(cloud.broker.waiting.keys() | cloud.broker.readers.keys()))
    own.append(sorted(file.name for file in (cloud.folder / "images" / "data").glob("*/*")))
    return {**rows, "nodes' own": [repr(one) for one in own]}
