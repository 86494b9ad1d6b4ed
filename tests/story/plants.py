"""One thing of each kind that an audit can find, planted straight into ledger, driver, journal or broker of a simulated cloud.

`PLANTS` has every kind of `lifecycle/audit/kinds.py`, and a test sees to that.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec import Struct

from kilonova.model.ids import new_uuid
from kilonova.sim import SimulatedCloud
from tests.story import plants_more as more
from tests.story.holding import held
from tests.story.scenes import Scene, gone, hands_of, row, sql

Grow = Callable[[SimulatedCloud, Scene], Awaitable[str]]
Prepare = Callable[[SimulatedCloud, Scene], Awaitable[None]]


class Plant(Struct, frozen=True, kw_only=True):
    """`plant` returns the id that the finding must be about; `beside`: what cannot but be found with it.

    After a repair all is as before the planting, but for the tables in `changes` (and if `stays`: as after it).
    """

    plant: Grow
    prepare: Prepare | None = None
    beside: frozenset[str] = frozenset()
    changes: frozenset[str] = frozenset()
    stays: bool = False
    left: bool = False
    """A repair leaves it to a person."""
    unknown: bool = False
    """It goes only when that is said in so many words."""
    cloud: dict[str, Any] = {}


# In the ledger of servers.


async def claim_of_nobody(cloud: SimulatedCloud, scene: Scene) -> str:
    server = await cloud.server(scene.server_id)
    await cloud.ledger.write(lambda tx: tx.hosts.claim("sim-1", scene.gone, server.flavor))
    return scene.gone


async def claim_on_another(cloud: SimulatedCloud, scene: Scene) -> str:
    server = await cloud.server(scene.server_id)

    def move(tx: Any) -> None:
        tx.hosts.free(server.id)
        tx.hosts.claim("sim-2", server.id, server.flavor)

    await cloud.ledger.write(move)
    return scene.server_id


async def no_claim(cloud: SimulatedCloud, scene: Scene) -> str:
    await cloud.ledger.write(lambda tx: tx.hosts.free(scene.server_id))
    return scene.server_id


def server_says(about: str = "", **values: Any) -> Grow:
    async def plant(cloud: SimulatedCloud, scene: Scene) -> str:
        sets = ", ".join(f"{name} = :{name}" for name in values)
        await sql(cloud, f"UPDATE servers SET {sets} WHERE id = :id", id=scene.server_id, **values)
        return scene.project_id if about == "project" else scene.server_id

    return plant


async def counters_off(cloud: SimulatedCloud, scene: Scene) -> str:
    await sql(cloud, "UPDATE hosts SET ram_mb_used = 7, servers = 5 WHERE name = 'sim-1'")
    return "sim-1"


def order_for(server: str, **more_values: Any) -> Grow:
    async def plant(cloud: SimulatedCloud, scene: Scene) -> str:
        about = scene.gone if server == "gone" else scene.server_id
        values = {"id": "planted", "server_id": about, "attempt": 1, "kind": "build", "host": "sim-1", "queue": "compute"}
        known = {"message": "", "body": b"", "traceparent": "", "published_at": 9e9, "sent": 1}
        await row(cloud, "orders", **{**values, **known, **more_values})
        return "planted" if server == "order" else about

    return plant


async def overdue(cloud: SimulatedCloud, scene: Scene) -> str:
    """Nobody sweeps: a task of a server that is there, and its deadline is long over."""
    for task in cloud.control._tasks:
        if "Sweeper" in repr(task.get_coro()):
            task.cancel()
    body = msgspec.msgpack.encode({"work_id": "planted", "work": "extend", "volume_id": "v", "node": "volume", "size_gb": 1,
                                   "deadline": 1.0, "ordered_at": 0.5})  # fmt: skip
    await order_for("gone", kind="volume", deadline=1.0, body=body, queue="volume", message="VolumeOrder")(cloud, scene)
    return scene.gone


async def endless_action(cloud: SimulatedCloud, scene: Scene) -> str:
    await sql(cloud, "UPDATE actions SET updated_at = NULL WHERE server_id = :id", id=scene.server_id)
    found = await sql(cloud, "SELECT request_id FROM actions WHERE server_id = :id", id=scene.server_id)
    return str(found[0][0])


async def endless_move(cloud: SimulatedCloud, scene: Scene) -> str:
    server = await cloud.server(scene.server_id)
    move = await cloud.ledger.write(lambda tx: tx.migrations.begin(server, "resize", "sim-1", "2", time.time()))
    return str(move.uuid)


async def a_group(cloud: SimulatedCloud, scene: Scene) -> None:
    scene.kept["group"] = new_uuid()
    known = {"id": scene.kept["group"], "project_id": scene.project_id, "user_id": "u", "name": "g", "policy": "affinity"}
    await row(cloud, "server_groups", **known, rules={}, created_at=1.0)


async def unknown_member(cloud: SimulatedCloud, scene: Scene) -> str:
    await row(cloud, "server_group_members", server_id=scene.unknown, group_id=scene.kept["group"])
    return scene.unknown


async def assignment_of_nobody(cloud: SimulatedCloud, scene: Scene) -> str:
    role = (await sql(cloud, "SELECT id FROM identity_roles"))[0][0]
    ends = {"actor": "user", "actor_id": "nobody", "target": "project", "target_id": scene.project_id}
    await row(cloud, "identity_assignments", **ends, role_id=role, inherited=False)
    return "nobody"


# On compute nodes.


async def node_silent(cloud: SimulatedCloud, scene: Scene) -> str:
    await cloud.crash("compute-1")
    return "compute-1"


def on_host(what: str, whose: str = "gone", host: str = "sim-1") -> Grow:
    """`what`: ``guest`` or ``disks``; `whose`: an attribute of the scene."""

    async def plant(cloud: SimulatedCloud, scene: Scene) -> str:
        about = {"gone": scene.gone, "unknown": scene.unknown, "server": scene.server_id}[whose]
        hands = hands_of(cloud, host)
        driver, word = (hands.hypervisor, "running@1.0") if what == "guest" else (hands.disks, "root")
        driver._memory.put(about, word)
        return about

    return plant


def off_host(what: str) -> Grow:
    async def plant(cloud: SimulatedCloud, scene: Scene) -> str:
        hands = hands_of(cloud, "sim-1")
        undo = {"guest": hands.hypervisor.destroy, "disks": hands.disks.remove, "wire": cloud.network.node.network.unwire}[what]
        await undo(scene.server_id)
        return scene.server_id

    return plant


def wire_of(whose: str) -> Grow:
    async def plant(cloud: SimulatedCloud, scene: Scene) -> str:
        about = scene.gone if whose == "gone" else scene.unknown
        cloud.network.node.network._memory.put(about, "1")  # type: ignore[attr-defined]
        return about

    return plant


async def failed(cloud: SimulatedCloud, scene: Scene) -> None:
    """The server failed, and everything was given back."""
    await off_host("guest")(cloud, scene)
    await off_host("disks")(cloud, scene)
    await off_host("wire")(cloud, scene)

    def give_back(tx: Any) -> None:
        tx.hosts.free(scene.server_id)
        tx.networks.release_server_ports(scene.server_id)

    await cloud.ledger.write(give_back)
    await sql(cloud, "UPDATE servers SET vm_state = 'error', power_state = 0 WHERE id = :id", id=scene.server_id)


async def stopped(cloud: SimulatedCloud, scene: Scene) -> None:
    answer = await cloud.send("POST", f"/compute/v2.1/servers/{scene.server_id}/action", {"os-stop": None})
    assert answer.status_code == 202
    await cloud.wait_for(scene.server_id, "SHUTOFF")
    assert await cloud.clean() == []


async def resized(cloud: SimulatedCloud, scene: Scene) -> None:
    answer = await cloud.send("POST", f"/compute/v2.1/servers/{scene.server_id}/action", {"resize": {"flavorRef": "2"}})
    assert answer.status_code == 202, answer.text
    await cloud.wait_for(scene.server_id, "VERIFY_RESIZE")
    assert await cloud.clean() == []


def second_set(word: str) -> Grow:
    async def plant(cloud: SimulatedCloud, scene: Scene) -> str:
        hands_of(cloud, "sim-1").disks._memory.put(scene.server_id, word)
        return scene.server_id

    return plant


def remains_of(where: str, name: str = "") -> Grow:
    async def plant(cloud: SimulatedCloud, scene: Scene) -> str:
        driver = {
            "host": hands_of(cloud, "sim-1").hypervisor,
            "network": cloud.network.node.network,
            "volume": cloud.volume.node.store,
        }[where]
        driver.remains[name or scene.gone] = "planted"
        return name or scene.gone

    return plant


def working_for(whose: str) -> Grow:
    """A build that stands still in the middle, and its server is gone from the ledger."""

    async def plant(cloud: SimulatedCloud, scene: Scene) -> str:
        _, server_id = await held(cloud, "assemble_disks", cloud.build(name="lost"))

        def lose(tx: Any) -> None:
            tx.orders.answered(server_id, 1)
            tx.hosts.free(server_id)
            tx.networks.release_server_ports(server_id)
            tx.actions.cut_short(server_id, "lost", time.time())
            tx.servers.gone(server_id, time.time())

        await cloud.ledger.write(lose)
        if whose == "unknown":
            await sql(cloud, "DELETE FROM servers WHERE id = :id", id=server_id)
        return server_id

    return plant


async def saga_overdue(cloud: SimulatedCloud, scene: Scene) -> str:
    record = msgspec.msgpack.encode({"server_id": scene.gone, "deadline": 1.0, "host": "sim-1"})
    query = "INSERT INTO sagas VALUES (?, 'build', 'forward', 0, ?, '', x'')"
    cloud.computes["compute-1"].journal._db.execute(query, (f"{scene.gone}/1/build", record))
    return scene.gone


async def report_waits(cloud: SimulatedCloud, scene: Scene) -> str:
    from kilonova.build.report import ServerGone
    from kilonova.model.ids import HostName, ServerId

    word = ServerGone(server_id=ServerId(scene.gone), host=HostName("sim-1"), attempt=0, at=1.0)
    journal, key = cloud.computes["compute-1"].journal, f"{scene.gone}/0/remove"
    journal._db.execute("INSERT OR REPLACE INTO over VALUES (?, ?)", (key, time.time() - 300))
    journal.keep_report(key, msgspec.msgpack.encode(word))
    return key


SERVERS: dict[str, Plant] = {
    "claim without server": Plant(plant=claim_of_nobody),
    "claim elsewhere": Plant(plant=claim_on_another, cloud={"hosts": 2}),
    "server without claim": Plant(plant=no_claim),
    "host counters": Plant(plant=counters_off),
    "quota": Plant(plant=server_says("project", vcpus=9)),
    "build without order": Plant(
        plant=server_says(vm_state="building", task_state="spawning"), changes=frozenset({"servers", "actions"})
    ),
    "task without order": Plant(
        plant=server_says(task_state="reboot_started"), stays=True, changes=frozenset({"servers", "actions"})
    ),
    "removal without order": Plant(
        plant=server_says(task_state="deleting"),
        stays=True,
        changes=frozenset({"servers", "actions", "claims", "hosts", "ports", "port_addresses", "freed_addresses", "nodes' own"})
        | {"port_security_groups"},
    ),
    "order without server": Plant(plant=order_for("gone")),
    "order overdue": Plant(plant=overdue, cloud={"build_limit_s": 601.0}),
    "order that is nowhere": Plant(
        plant=order_for("order", kind="task", published_at=1.0),
        cloud={"send_again_after_s": 1e12},
        stays=True,
        changes=frozenset({"orders"}),
    ),
    "action without end": Plant(plant=endless_action, changes=frozenset({"actions"})),
    "resize without order": Plant(plant=endless_move, stays=True, changes=frozenset({"migrations"})),
    "group member without server": Plant(prepare=a_group, plant=unknown_member),
    "role assignment of nobody": Plant(plant=assignment_of_nobody),
    "silent node": Plant(plant=node_silent, left=True),
    "guest without server": Plant(prepare=gone, plant=on_host("guest")),
    "disks without server": Plant(prepare=gone, plant=on_host("disks")),
    "wire without server": Plant(prepare=gone, plant=wire_of("gone")),
    "unknown guest": Plant(plant=on_host("guest", "unknown"), unknown=True),
    "unknown disks": Plant(plant=on_host("disks", "unknown"), unknown=True),
    "unknown wire": Plant(plant=wire_of("unknown"), unknown=True),
    "unknown saga": Plant(plant=working_for("unknown"), unknown=True, stays=True, changes=frozenset({"nodes' own"})),
    "saga without server": Plant(plant=working_for("gone"), stays=True, changes=frozenset({"actions", "nodes' own"})),
    "saga overdue": Plant(plant=saga_overdue, left=True),
    "report nobody takes": Plant(plant=report_waits),
    "guest of a failed server": Plant(prepare=failed, plant=on_host("guest", "server")),
    "disks of a failed server": Plant(prepare=failed, plant=on_host("disks", "server")),
    "guest on the wrong host": Plant(plant=on_host("guest", "server", "sim-2"), cloud={"hosts": 2}),
    "disks on the wrong host": Plant(plant=on_host("disks", "server", "sim-2"), cloud={"hosts": 2}),
    "active without guest": Plant(plant=off_host("guest"), stays=True, changes=frozenset({"servers"})),
    "active without disks": Plant(plant=off_host("disks"), left=True),
    "active without wire": Plant(plant=off_host("wire"), left=True),
    "stopped with guest": Plant(prepare=stopped, plant=on_host("guest", "server"), stays=True, changes=frozenset({"servers"})),
    "disks of a resize that is over": Plant(plant=second_set("root+old")),
    "resized without its old disks": Plant(prepare=resized, plant=second_set("root"), left=True),
    "process of nobody": Plant(prepare=gone, plant=remains_of("host")),
    "remains of a network": Plant(plant=remains_of("network", "kn-planted")),
    "half a volume": Plant(plant=remains_of("volume", "0ce5b6f1-0000-4000-8000-000000000000.half")),
}
PLANTS: dict[str, Plant] = {
    **SERVERS,
    **{kind: Plant(**about) for kind, about in {**more.NETWORKS, **more.VOLUMES, **more.REST}.items()},
}
