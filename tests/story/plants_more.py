"""Plants in networks, volumes, images and the broker: see plants.py, which makes them what they are there."""

import time
from collections import deque
from typing import Any

from kilonova.lifecycle.volume_work import VolumeOrder
from kilonova.model.ids import NodeName, new_uuid
from kilonova.model.volume import Attachment, Snapshot
from kilonova.sim import SimulatedCloud
from tests.story.deeds import blank_volume
from tests.story.scenes import Scene, row, sql

# Networks.


async def port(cloud: SimulatedCloud, scene: Scene, owner: str, device: str) -> str:
    """A port of the cloud's one network, without an address."""
    about: dict[str, Any] = {
        "id": new_uuid(),
        "project_id": scene.project_id,
        "created_at": 1.0,
        "updated_at": 1.0,
        "revision_number": 1,
    }
    net = {"network_id": cloud.furnished.network_id, "mac_address": f"fa:16:3e:00:00:{len(scene.kept):02x}", "profile": {}}
    rest = {"admin_state_up": True, "status": "DOWN", "device_id": device, "device_owner": owner, "host": ""}
    flags = {"port_security_enabled": False, "allowed_address_pairs": [], "made_for_server": True}
    await row(cloud, "ports", **about, **net, **rest, **flags)
    return str(about["id"])


def port_of(owner: str, whose: str = "unknown") -> Any:
    async def plant(cloud: SimulatedCloud, scene: Scene) -> str:
        return await port(cloud, scene, owner, scene.unknown if whose == "unknown" else scene.server_id)

    return plant


async def failed_without_host(cloud: SimulatedCloud, scene: Scene) -> None:
    """Another server, for which there was no room."""
    await sql(cloud, "UPDATE hosts SET enabled = false")
    scene.kept["server"] = scene.server_id
    scene.server_id = await cloud.build(name="no room")
    await cloud.wait_for(scene.server_id, "ERROR")
    await sql(cloud, "UPDATE hosts SET enabled = true")
    assert await cloud.clean() == []


async def port_elsewhere(cloud: SimulatedCloud, scene: Scene) -> str:
    await sql(cloud, "UPDATE ports SET host = 'sim-9' WHERE device_id = :id", id=scene.server_id)
    return str((await sql(cloud, "SELECT id FROM ports WHERE device_id = :id", id=scene.server_id))[0][0])


async def floating(cloud: SimulatedCloud, scene: Scene) -> None:
    """A floating IP that leads nowhere, as it should."""
    scene.kept["floating"] = floating_id = new_uuid()
    holder = await port(cloud, scene, "network:floatingip", floating_id)
    about = {"id": floating_id, "project_id": scene.project_id, "created_at": 1.0, "updated_at": 1.0, "revision_number": 1}
    where = {"floating_network_id": cloud.furnished.network_id, "floating_ip_address": "198.51.100.1", "status": "DOWN"}
    await row(cloud, "floating_ips", **about, **where, floating_port_id=holder)


async def leads_to_nothing(cloud: SimulatedCloud, scene: Scene) -> str:
    ports = await sql(cloud, "SELECT id FROM ports WHERE device_id = :id", id=scene.server_id)
    query = "UPDATE floating_ips SET port_id = :port, fixed_ip_address = '203.0.113.77'"
    await sql(cloud, query, port=ports[0][0])
    return scene.kept["floating"]


async def free_twice(cloud: SimulatedCloud, scene: Scene) -> str:
    query = "SELECT a.subnet_id, a.ip_address FROM port_addresses a JOIN ports p ON p.id = a.port_id WHERE p.device_id = :id"
    subnet_id, ip = (await sql(cloud, query, id=scene.server_id))[0]
    await row(cloud, "freed_addresses", subnet_id=subnet_id, ip_address=ip)
    return str(ip)


async def lost_addresses(cloud: SimulatedCloud, scene: Scene) -> str:
    from ipaddress import ip_address

    subnet_id, mark = (await sql(cloud, "SELECT subnet_id, next_ip FROM subnet_pools"))[0]
    await sql(cloud, "UPDATE subnet_pools SET next_ip = :mark", mark=str(ip_address(mark) + 3))
    return str(subnet_id)


async def tags(cloud: SimulatedCloud, scene: Scene) -> str:
    await row(cloud, "network_tags", resource_id=scene.unknown, tag="planted")
    return scene.unknown


def a(kind: str) -> Any:
    """A router, a group or an external network, which the network node has confirmed."""

    async def prepare(cloud: SimulatedCloud, scene: Scene) -> None:
        scene.kept["thing"] = thing = new_uuid()
        about = {"id": thing, "project_id": scene.project_id, "created_at": 1.0, "updated_at": 1.0, "revision_number": 1}
        if kind == "router":
            await row(cloud, "routers", **about, admin_state_up=True, enable_snat=True, routes=[], availability_zone_hints=[])
        elif kind == "group":
            await row(cloud, "security_groups", **about, stateful=True)
        else:
            flags = {"shared": False, "external": True, "is_default": False, "port_security_enabled": True}
            await row(cloud, "networks", **about, **flags, admin_state_up=True, status="ACTIVE", mtu=1500)
        await cloud.ledger.write(lambda tx: tx.fabric.changed(kind, [thing]))

        async def confirmed() -> bool:
            found = await sql(cloud, "SELECT settled FROM fabric WHERE id = :id", id=thing)
            return bool(found and found[0][0])

        await cloud.until(confirmed, "the plan to be confirmed")
        assert await cloud.clean() == []

    return prepare


def heard(kind: str, revision: str | None, known: bool = True) -> Any:
    async def plant(cloud: SimulatedCloud, scene: Scene) -> str:
        memory = cloud.network.node.network._heard  # type: ignore[attr-defined]
        thing = str(scene.kept["thing"] if known else scene.unknown)
        if revision is None:
            memory.drop(f"{kind}/{thing}")
        else:
            memory.put(f"{kind}/{thing}", revision)
        return thing

    return plant


async def plan_of_nobody(cloud: SimulatedCloud, scene: Scene) -> str:
    await row(cloud, "fabric", kind="router", id=scene.unknown, wanted=3, confirmed=3, gone=False, settled=True)
    return str(await heard("router", "3", known=False)(cloud, scene))


NETWORKS: dict[str, dict[str, Any]] = {
    "port without server": {"plant": port_of("compute:nova")},
    "port of a failed server": {"prepare": failed_without_host, "plant": port_of("compute:nova", "server")},
    "port on another host": {"plant": port_elsewhere},
    "router port without router": {"plant": port_of("network:router_gateway")},
    "floating IP port without floating IP": {"plant": port_of("network:floatingip")},
    "floating IP to nowhere": {"prepare": floating, "plant": leads_to_nothing},
    "address both free and taken": {"plant": free_twice},
    "addresses lost": {"plant": lost_addresses, "changes": frozenset({"freed_addresses", "subnet_pools"})},
    "tags of nobody": {"plant": tags},
    "plan of nobody": {"plant": plan_of_nobody},
    **{
        f"{kind} {how}": {"prepare": a(kind), "plant": heard(kind, revision, known)}
        for kind in ("router", "group", "network")
        for how, revision, known in (
            ("not on the node", None, True),
            ("of nobody", "3", False),
            ("in another revision", "99", True),
        )
    },
}


# Volumes.


async def volume(cloud: SimulatedCloud, scene: Scene) -> None:
    scene.kept["volume"] = await blank_volume(cloud)
    assert await cloud.clean() == []


async def no_files(cloud: SimulatedCloud, scene: Scene) -> str:
    await cloud.volume.node.store.remove(scene.kept["volume"])
    return scene.kept["volume"]


async def files_of_nobody(cloud: SimulatedCloud, scene: Scene) -> str:
    made: dict[str, Any] = {
        "work_id": "w",
        "work": "create",
        "volume_id": scene.unknown,
        "node": NodeName("volume"),
        "size_gb": 1,
    }
    await cloud.volume.node.store.make(VolumeOrder(**made, deadline=9e9, ordered_at=0.0))
    return scene.unknown


async def served(cloud: SimulatedCloud, scene: Scene) -> str:
    await cloud.volume.node.store.export(scene.kept["volume"], "an-attachment-that-is-over", False)
    return scene.kept["volume"]


async def snapshot_inside(cloud: SimulatedCloud, scene: Scene) -> str:
    await cloud.volume.node.store.take_snapshot(scene.kept["volume"], scene.unknown)
    return scene.unknown


def snapshot_says(status: str, work_id: str | None) -> Any:
    async def plant(cloud: SimulatedCloud, scene: Scene) -> str:
        whose: dict[str, Any] = {"volume_id": scene.kept["volume"], "project_id": scene.project_id, "user_id": "u"}
        made = Snapshot(id=scene.unknown, **whose, size_gb=1, status=status, created_at=1.0, work_id=work_id)
        await cloud.ledger.write(lambda tx: tx.volumes.snapshots.add(made))
        return scene.unknown

    return plant


def volume_says(**values: Any) -> Any:
    async def plant(cloud: SimulatedCloud, scene: Scene) -> str:
        sets = ", ".join(f"{name} = :{name}" for name in values)
        await sql(cloud, f"UPDATE volumes SET {sets} WHERE id = :id", id=scene.kept["volume"], **values)
        return scene.kept["volume"]

    return plant


def attached_to(whose: str, state: str, status: str) -> Any:
    async def plant(cloud: SimulatedCloud, scene: Scene) -> str:
        made = Attachment(
            id=new_uuid(),
            volume_id=scene.kept["volume"],
            project_id=scene.project_id,
            state=state,
            created_at=1.0,
            server_id=scene.unknown if whose == "unknown" else scene.server_id,
            made_by_server=True,
        )
        await cloud.ledger.write(lambda tx: tx.volumes.attachments.add(made))
        await volume_says(status=status)(cloud, scene)
        return made.id

    return plant


async def metadata_of_nobody(cloud: SimulatedCloud, scene: Scene) -> str:
    await row(cloud, "volume_metadata", thing_id=scene.unknown, name="planted", value="yes")
    return scene.unknown


_LOST = frozenset({"volumes", "volume_snapshots", "volume_messages"})
VOLUMES: dict[str, dict[str, Any]] = {
    "volume without files": {"prepare": volume, "plant": no_files, "left": True},
    "volume files without volume": {"plant": files_of_nobody, "unknown": True},
    "volume served to nobody": {"prepare": volume, "plant": served},
    "volume status": {"prepare": volume, "plant": volume_says(status="in-use")},
    "volume work without order": {
        "prepare": volume,
        "plant": volume_says(status="extending", work_id="lost", wanted_size_gb=2, previous_status="available"),
        "stays": True,
        "changes": _LOST,
    },
    "snapshot work without order": {
        "prepare": volume,
        "plant": snapshot_says("creating", "lost"),
        "stays": True,
        "changes": _LOST,
    },
    "snapshot without record": {"prepare": volume, "plant": snapshot_inside, "unknown": True},
    "snapshot without bytes": {"prepare": volume, "plant": snapshot_says("available", None), "left": True},
    "attachment without server": {"prepare": volume, "plant": attached_to("unknown", "attached", "in-use")},
    "attachment without order": {"prepare": volume, "plant": attached_to("server", "attaching", "attaching")},
    "metadata of nobody": {"plant": metadata_of_nobody},
}


# Images, the broker.


async def image_lost(cloud: SimulatedCloud, scene: Scene) -> str:
    image_id = cloud.furnished.image_id
    (cloud.folder / "images" / "data" / image_id[:2] / image_id).unlink()
    return image_id


async def bytes_of_nobody(cloud: SimulatedCloud, scene: Scene) -> str:
    file = cloud.folder / "images" / "data" / scene.unknown[:2] / scene.unknown
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"planted")
    return scene.unknown


def image(**values: Any) -> Any:
    async def plant(cloud: SimulatedCloud, scene: Scene) -> str:
        about = {"id": scene.unknown, "owner": scene.project_id, "visibility": "private", "created_at": 1.0, "updated_at": 1.0}
        rest = {"min_disk": 0, "min_ram": 0, "protected": False, "os_hidden": False, "disk_format": "raw"}
        await row(cloud, "images", **about, **rest, **values)
        return scene.unknown

    return plant


async def queue_of_nobody(cloud: SimulatedCloud, scene: Scene) -> str:
    cloud.broker.waiting["queue.compute.nowhere"] = deque()
    return "compute-nowhere"


async def host_without_queue(cloud: SimulatedCloud, scene: Scene) -> str:
    facts = {"hypervisor_type": "simulated", "hypervisor_version": 1, "host_ip": "", "cpu_info": "", "availability_zone": "nova"}
    sizes = {"vcpus": 1, "ram_mb": 1, "disk_gb": 1, "vcpus_used": 0, "ram_mb_used": 0, "disk_gb_used": 0, "servers": 0}
    ids = {"name": "sim-9", "id": new_uuid(), "service_id": new_uuid(), "node": "compute-1", "created_at": 1.0, "enabled": True}
    await row(cloud, "hosts", **facts, **sizes, **ids)
    return "compute-sim-9"


REST: dict[str, dict[str, Any]] = {
    "image without bytes": {"plant": image_lost, "left": True},
    "bytes without image": {"plant": bytes_of_nobody},
    "upload of nobody": {"plant": image(status="saving", upload="lost"), "stays": True, "changes": frozenset({"images"})},
    "image that waits for nobody": {
        "plant": image(status="queued", wanted_until=time.time() + 3600),
        "stays": True,
        "changes": frozenset({"images"}),
    },
    "queue of nobody": {"plant": queue_of_nobody},
    "queue without reader": {"plant": host_without_queue, "stays": True, "changes": frozenset({"nodes' own"})},
}
