"""A whole simulated cloud, and a hand to use it with: build, delete, wait, kill a role, start it again, audit.

The front door is the real API over ASGI. Waiting is by the loop's clock: cheap in a `SkippingLoop`, real in any other.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextvars import Context
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kilonova.bus.simulated import LocalBroker
from kilonova.errors import TimedOut
from kilonova.ledger.ledger import Ledger
from kilonova.ledger.schema import metadata
from kilonova.ledger.transaction import Transaction
from kilonova.lifecycle.audit import Finding
from kilonova.model.ids import HostName
from kilonova.model.server import Server, ServerFilter
from kilonova.sim.clock import PatientLedger, SkippingLoop
from kilonova.sim.faults import DriverFaults, MessageFaults, Moment, StepFaults
from kilonova.sim.folder import Furnished, furnish, ledger_url
from kilonova.sim.front_door import Answer
from kilonova.sim.roles import ComputeRole, ControlRole, Ground, NetworkRole, Role, Terms, VolumeRole

LOOK_EVERY_S = 0.05
LOOKS, AUDITS = (1.1, 1.0), (1.5, 2.0)
"""Where waiting costs nothing, looking does: by how much each pause is longer than the one before it, and the longest of them."""
REAL_LIMIT_S = 10.0
"""More than the five seconds after which a node's word about a guest is taken over the ledger's."""
COMPUTE_VERSION = "compute 2.96"
_PAST = {
    "actions",
    "freed_addresses",
    "image_properties",
    "migrations",
    "news",
    "nodes",
    "security_group_rules",
    "servers",
    "subnet_pools",
}
_BESIDES = {
    "fabric": [("kind", "group")],
    "images": [("status", "deleted")],
    "security_groups": [("name", "default")],
    "volume_types": [("name", "__DEFAULT__")],
}
"""Rows that come with the first server or volume of a project and stay, and images that are gone."""
_ROWS = {
    name: f'SELECT * FROM "{name}"' + "".join(f" WHERE {column} != '{value}'" for column, value in _BESIDES.get(name, ()))
    for name in metadata.tables
    if name not in _PAST
}


class SimulatedCloud:
    """``async with SimulatedCloud(folder) as cloud``. Hosts are ``sim-1``…, spread over `nodes` compute nodes ``compute-1``…"""

    look_every_s = LOOK_EVERY_S

    def __init__(
        self, folder: Path, *, hosts: int = 3, nodes: int = 1, terms: Terms | None = None, template: Path | None = None
    ) -> None:
        self.folder, self._template = folder, template
        self.steps, self.messages, self.drivers = StepFaults(), MessageFaults(), DriverFaults()
        self.broker = LocalBroker()
        self._ground = self._stand_on(terms or Terms())
        names = [HostName(f"sim-{number}") for number in range(1, hosts + 1)]
        self.computes = {f"compute-{n + 1}": ComputeRole(f"compute-{n + 1}", self._ground, names[n::nodes]) for n in range(nodes)}
        self.network = NetworkRole("network", self._ground)
        self.volume = VolumeRole("volume", self._ground)
        self._burials: set[asyncio.Task[None]] = set()
        self.deaths = 0
        self.guests_ended: set[str] = set()
        """Servers whose guest has ended by itself, once or more."""

    def _stand_on(self, terms: Terms) -> Ground:
        return Ground(self.folder, self.broker, self.messages, self.steps, self.drivers, terms)

    async def _open_ledger(self) -> Ledger:
        self.furnished: Furnished = await furnish(self.folder, self._template)
        return PatientLedger(ledger_url(self.folder))

    async def __aenter__(self) -> Self:
        self.ledger = await self._open_ledger()
        self.control = ControlRole("control", self._ground, self.ledger)
        for role in (self.control, self.network, self.volume, *self.computes.values()):
            await role.start()
        await self.until(self._is_ready, "the cloud to be ready")
        self._at_first = await self.ledger.read(_contents)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await asyncio.gather(*self._burials)
        for role in self.roles().values():
            if role.alive:
                await role.bury()
                role.cut()
        await self.ledger.close()

    def roles(self) -> Mapping[str, Role]:
        return {"control": self.control, "network": self.network, "volume": self.volume, **self.computes}

    # What a client does.

    async def send(self, method: str, path: str, body: Any = None, *, token: str = "") -> Answer:
        """As the admin, unless another token is given; compute in a recent version."""
        head = {"x-auth-token": token or self.furnished.admin_token, "openstack-api-version": COMPUTE_VERSION}
        return await self.control.client.request(method, path, json=body, headers=head)

    async def build(self, *, token: str = "", headers: Mapping[str, str] | None = None, **server: Any) -> str:
        """POST /servers with one small image, flavor 1 and the one network, changed by `server`; the server's id."""
        answer = await self.post_server(token=token, headers=headers, **server)
        if answer.status_code != 202:
            raise AssertionError(f"POST /servers: {answer.status_code} {answer.text}")
        return str(answer.json()["server"]["id"])

    async def post_server(self, *, token: str = "", headers: Mapping[str, str] | None = None, **server: Any) -> Answer:
        """The answer to POST /servers, good or bad."""
        wanted = {"name": "one", "flavorRef": "1", "imageRef": self.furnished.image_id, "networks": "auto", **server}
        head = {
            "x-auth-token": token or self.furnished.admin_token,
            "openstack-api-version": COMPUTE_VERSION,
            **(headers or {}),
        }
        return await self.control.client.post("/compute/v2.1/servers", json={"server": wanted}, headers=head)

    async def delete(self, server_id: str) -> int:
        """The status of the answer."""
        return (await self.send("DELETE", f"/compute/v2.1/servers/{server_id}")).status_code

    # What an onlooker sees.

    async def server(self, server_id: str) -> Server:
        """As the ledger has it, also when it is gone."""
        found = await self.ledger.read(lambda tx: tx.servers.whatever(server_id))
        assert found is not None, "the server was never there"
        return found

    async def wait_for(self, server_id: str, *statuses: str, within_s: float = 300.0) -> Server:
        """Until it has one of these statuses. Raises TimedOut."""

        def reached(tx: Transaction) -> bool:
            server = tx.servers.whatever(server_id)
            return server is not None and server.status in statuses

        await self.until(lambda: self.ledger.read(reached), f"{server_id} to be {' or '.join(statuses)}", within_s)
        return await self.server(server_id)

    async def until(self, question: Any, what: str, within_s: float = 300.0) -> None:
        """Until `await question()` is true. Raises TimedOut after `within_s` of the loop's clock and a while of the real one."""
        await self._until(question, what, within_s, LOOKS)

    async def _until(self, question: Any, what: str, within_s: float, pauses: tuple[float, float]) -> None:
        loop, pause = asyncio.get_running_loop(), self.look_every_s
        skips = isinstance(loop, SkippingLoop)
        more, longest = pauses if skips else (1.0, pause)
        end, real_end = loop.time() + within_s, time.monotonic() + REAL_LIMIT_S
        while not await question():
            if loop.time() > end:
                if time.monotonic() > real_end:
                    raise TimedOut(f"waited in vain for {what}")
                if skips:
                    await asyncio.to_thread(time.sleep, LOOK_EVERY_S)  # what is waited for goes by the real clock
            await asyncio.sleep(pause)
            pause = min(more * pause, longest)

    async def audit(self) -> list[Finding]:
        return list((await self.control.auditor.audit()).findings)

    async def clean(self, within_s: float = 120.0) -> Sequence[Finding]:
        """The findings that nothing mends within `within_s`: none, in a cloud that keeps its promises."""
        findings: list[Finding] = []

        async def nothing_wrong() -> bool:
            findings[:] = [] if await self._is_moving() else await self.audit()
            return not findings and not await self._is_moving()

        try:
            await self._until(nothing_wrong, "a clean audit", within_s, AUDITS)
        except TimedOut:
            return findings or [Finding(kind="restless", about="", text="orders or sagas do not end")]
        return []

    async def as_new(self) -> bool:
        """Faults and counts are forgotten. False when something is there that a new cloud has not."""
        for faults in (self.steps, self.messages, self.drivers):
            faults.forget()
        self.deaths = 0
        await asyncio.gather(*self._burials)
        alive = all(role.alive for role in self.roles().values())
        return alive and not await self._is_moving() and await self._as_furnished() and not await self.audit()

    async def _as_furnished(self) -> bool:
        """The ledger holds what it held when the cloud was ready, and besides that only what tells of the past."""
        empty = not await self.ledger.read(lambda tx: tx.servers.find(ServerFilter()))
        return empty and await self.ledger.read(_contents) == self._at_first

    async def _is_moving(self) -> bool:
        orders = await self.ledger.read(lambda tx: len(tx.orders.open_servers()))
        nodes: list[ComputeRole | VolumeRole] = [*self.computes.values(), self.volume]
        return bool(orders) or any(role.alive and bool(role.node.working_on()) for role in nodes)

    async def _is_ready(self) -> bool:
        ready = await self.control.readiness()
        hosts = sum(len(role.hosts) for role in self.computes.values())
        return ready["compute"] == hosts and ready["network"] > 0 and ready["volume"] > 0

    # What goes wrong.

    async def crash(self, name: str) -> None:
        """The role's process is gone, without a goodbye."""
        self.roles()[name].cut()
        self.deaths += 1
        await self.roles()[name].bury()

    async def restart(self, name: str) -> None:
        """A new process on what the old one left behind; one that still runs is killed first."""
        if self.roles()[name].alive:
            await self.crash(name)
        await self.roles()[name].start()

    async def die_here(self, name: str) -> None:
        """For faults inside the role itself: kill -9 at this very line, and a new process a moment later. Does not return."""
        self.roles()[name].cut()
        self.deaths += 1
        burial = asyncio.get_running_loop().create_task(self._bury_and_restart(name), context=Context())
        self._burials.add(burial)
        burial.add_done_callback(self._burials.discard)
        await asyncio.Event().wait()

    async def node_dies(self, moment: Moment) -> None:
        """For `StepFaults.at`: the compute node that carries this saga out."""
        await self.die_here(moment.record.node)

    async def _bury_and_restart(self, name: str) -> None:
        await self.roles()[name].bury()
        await self.roles()[name].start()


def _contents(tx: Transaction) -> Mapping[str, Any]:
    """All rows of the tables that stand still while no client has anything."""
    raw: Any = tx.connection.connection.dbapi_connection  # for seventy tables SQLAlchemy takes as long as a small story
    return {name: raw.execute(rows).fetchall() for name, rows in _ROWS.items()}
