"""A cloud for tests of the checker: a tenant with one of everything, and hands to change it behind everybody's back."""

import random
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, insert, update

from kilonova.ledger.schema import metadata
from kilonova.sim import SimulatedCloud
from kilonova.sim.checker import judged
from kilonova.sim.checks.view import look
from kilonova.sim.operations import networks, volumes
from kilonova.sim.operations.promise import Promise, Tenant, Violation
from kilonova.sim.operations.scene import Turn
from kilonova.sim.operations.servers import one, order
from kilonova.sim.workload import Workload


class Scenery:
    """A tenant with a server that runs, a volume in it with a snapshot, a port and a router of its own."""

    def __init__(self, cloud: SimulatedCloud, tenants: Sequence[Tenant]) -> None:
        self.cloud = cloud
        self.workload = Workload(cloud, random.Random(1), tenants)
        self.server_id = self.volume_id = self.host = ""

    def turn(self, name: str) -> Turn:
        return Turn(self.workload.scene, self.workload.scene.tenants[0], random.Random(name), name, name)

    async def furnish(self) -> None:
        answer = await order(self.turn("server"), {**one(self.turn("server")), "networks": "auto"})
        self.server_id = answer.body["server"]["id"]
        await volumes.create(self.turn("volume"))
        self.volume_id = self.promise("volume").id
        await self.cloud.wait_for(self.server_id, "ACTIVE")
        assert await self.cloud.clean() == []
        body = {"volumeAttachment": {"volumeId": self.volume_id}}
        await self.turn("attach").ask(
            "POST", f"/compute/v2.1/servers/{self.server_id}/os-volume_attachments", body, allowed=(200,)
        )
        assert await self.cloud.clean() == []
        await networks.create_port(self.turn("port"))
        await networks.create_router(self.turn("router"))
        await self.cloud.send("POST", "/volume/v3/snapshots", {"snapshot": {"volume_id": self.volume_id, "force": True}})
        assert await self.cloud.clean() == []
        self.host = (await self.cloud.server(self.server_id)).host or ""
        assert await self.found() == set()

    def promise(self, kind: Any) -> Promise:
        return self.workload.scene.promises.of(kind)[0]

    @property
    def network(self) -> Any:
        """The network node's driver."""
        return self.cloud.network.node.network

    @property
    def store(self) -> Any:
        """The volume node's driver."""
        return self.cloud.volume.node.store

    @property
    def hands(self) -> Any:
        return next(role.node.hosts[host] for role in self.cloud.computes.values() for host in role.hosts if host == self.host)

    @property
    def elsewhere(self) -> Any:
        """The hands of another host."""
        return next(role.node.hosts[host] for role in self.cloud.computes.values() for host in role.hosts if host != self.host)

    async def change(self, table: str, values: dict[str, Any], **where: Any) -> None:
        rows = metadata.tables[table]
        change = update(rows).values(values).where(*(rows.c[name] == value for name, value in where.items()))
        assert await self.cloud.ledger.write(lambda tx: tx.connection.execute(change).rowcount) > 0

    async def drop(self, table: str, **where: Any) -> None:
        rows = metadata.tables[table]
        change = delete(rows).where(*(rows.c[name] == value for name, value in where.items()))
        assert await self.cloud.ledger.write(lambda tx: tx.connection.execute(change).rowcount) > 0

    async def add(self, table: str, **values: Any) -> None:
        await self.cloud.ledger.write(lambda tx: tx.connection.execute(insert(metadata.tables[table]).values(values)))

    async def found(self) -> set[str]:
        """Kinds of violations, at this moment."""
        return {wrong.kind for wrong in await self.violations()}

    async def violations(self) -> list[Violation]:
        return judged(await look(self.cloud), self.workload)
