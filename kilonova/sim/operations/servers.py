"""Servers are made and deleted: one, several, with one key twice, too large, and with nonsense in the body."""

import asyncio
from typing import Any

from kilonova.sim.operations.scene import Answer, Turn

SERVERS = "/compute/v2.1/servers"
HUGE = "huge"
"""A flavor that no host can hold."""


async def create(turn: Turn) -> None:
    """One or several, on whatever network there is; sometimes made of an image of the tenant's own."""
    image_id = turn.image()
    also = () if image_id == turn.scene.cloud.furnished.image_id else (400, 409)
    await order(turn, plain(turn, imageRef=image_id), also=also)


async def create_on_network(turn: Turn) -> None:
    """With a NIC on a named network, an address of its own choice, or a port of the tenant's."""
    network_id, port = turn.scene.cloud.furnished.network_id, turn.one("port")
    address = f"10.20.{turn.rng.randint(1, 250)}.{turn.rng.randint(1, 250)}"
    kinds: list[dict[str, Any]] = [{"uuid": network_id}, {"uuid": network_id, "fixed_ip": address}]
    if port is not None:
        kinds.append({"port": port.id})
    nics = [turn.rng.choice(kinds)]
    answer = await order(turn, {**one(turn), "networks": nics}, also=(400, 409))
    if port is not None and "port" in nics[0] and answer.status == 202:
        port.with_servers.append(answer.body["server"]["id"])


async def create_with_volumes(turn: Turn) -> None:
    """It boots from a new volume or one that is there; or has a new one, blank, beside its own disk."""
    image_id, volume, goes = turn.scene.cloud.furnished.image_id, turn.one("volume"), turn.rng.random() < 0.5
    new = {"destination_type": "volume", "delete_on_termination": goes}
    local = {"source_type": "image", "destination_type": "local", "uuid": image_id, "boot_index": 0}
    kinds: list[list[dict[str, Any]]] = [
        [{**new, "source_type": "image", "uuid": image_id, "volume_size": 1, "boot_index": 0}],
        [local, {**new, "source_type": "blank", "volume_size": 1}],
    ]
    if volume is not None:
        kinds.append([{**new, "source_type": "volume", "uuid": volume.id, "boot_index": 0}])
        kinds.append([local, {**new, "source_type": "volume", "uuid": volume.id}])
    devices = turn.rng.choice(kinds)
    if volume is not None and devices[0].get("uuid") == volume.id:
        bootable = {"os-set_bootable": {"bootable": True}}
        await turn.ask("POST", f"/volume/v3/volumes/{volume.id}/action", bootable, allowed=(200, 404))
    body = {**one(turn), "block_device_mapping_v2": devices}
    if devices[0] is not local:
        body["imageRef"] = ""
    answer = await order(turn, body, also=(400, 404, 409, 413))
    if volume is not None and goes and not answer.known and devices[-1].get("uuid") == volume.id:
        volume.with_named.append(body["name"])
    if answer.status == 202:
        promise = turn.scene.promises.accepted[answer.body["server"]["id"]]
        promise.from_volume = devices[0] is not local
        if volume is not None and goes and devices[-1].get("uuid") == volume.id:
            volume.with_servers.append(promise.id)


async def create_impossible(turn: Turn) -> None:
    """A server that no host can hold: accepted all the same, and it must say why it cannot be."""
    await order(turn, plain(turn, flavorRef=HUGE, networks="none"))


async def create_twice(turn: Turn) -> None:
    """The same request with the same key, at once or one after the other: the servers must be the same."""
    body, key = plain(turn), f"key-{turn.name}"
    if turn.rng.random() < 0.5:
        answers = list(await asyncio.gather(order(turn, body, key), order(turn, body, key)))
    else:
        answers = [await order(turn, body, key), await order(turn, body, key)]
    made = {answer.body["server"]["id"] for answer in answers if answer.status == 202}
    if len(made) > 1:
        turn.wrong("made twice", turn.name, f"one key has made {sorted(made)}")


async def create_nonsense(turn: Turn) -> None:
    """A body that nobody can carry out: refused, and nothing is left of it."""
    bad: dict[str, Any] = turn.rng.choice(
        [
            {"flavorRef": "no-such-flavor"},
            {"imageRef": "5f0f9ab3-0000-4000-8000-000000000000"},
            {"networks": [{"uuid": "5f0f9ab3-0000-4000-8000-000000000000"}]},
            {"networks": [{"port": "5f0f9ab3-0000-4000-8000-000000000000"}]},
            {"networks": [{"uuid": turn.scene.cloud.furnished.network_id, "fixed_ip": "192.0.2.1"}]},
            {"min_count": 3, "max_count": 2},
            {"name": ""},
            {"key_name": "no-such-key"},
            {"availability_zone": "nowhere"},
            {"metadata": {"a": 1}},
            {"surprise": True},
        ]
    )
    await turn.ask("POST", SERVERS, {"server": {**plain(turn), **bad}}, allowed=(400, 403, 404))


async def delete(turn: Turn) -> None:
    """In whatever state it is; sometimes twice."""
    server = turn.one("server")
    if server is None:
        return
    for _ in range(turn.rng.choice((1, 1, 2))):
        await turn.remove(server, f"{SERVERS}/{server.id}", (204, 404, 409))


def plain(turn: Turn, **more: Any) -> dict[str, Any]:
    """A body that is sound."""
    counts: dict[str, Any] = turn.rng.choice(
        ({}, {}, {}, {"min_count": 1, "max_count": turn.rng.randint(2, 4)}, {"min_count": 2})
    )
    return {**one(turn), **counts, **more}


def one(turn: Turn) -> dict[str, Any]:
    """A body for a single server."""
    made = turn.scene.cloud.furnished
    nics: Any = turn.rng.choice(("auto", "auto", "none"))
    if nics == "auto" and turn.scene.several_networks:
        nics = [{"uuid": made.network_id}]
    return {"name": turn.name, "flavorRef": "1", "imageRef": made.image_id, "networks": nics}


async def order(turn: Turn, server: dict[str, Any], key: str = "", also: tuple[int, ...] = ()) -> Answer:
    """POST /servers, and what it promises. Without an answer: asked again with its key, else it stays open."""
    allowed = (202, 403, *also)
    if key:
        answer = await turn.ask_until_known("POST", SERVERS, {"server": server}, allowed=allowed, key=key)
    else:
        answer = await turn.ask("POST", SERVERS, {"server": server}, allowed=allowed)
    least = server.get("min_count", 1)
    most = max(server.get("max_count", least), least)
    if not answer.known:
        turn.perhaps("server", server["name"], 0, most)
    elif answer.status == 202:
        made = answer.body["server"]["id"]
        turn.promised("server", made, server["name"], None if key else turn.deed("create", answer))
        if most > 1 or key:
            turn.perhaps("server", server["name"], least, most)
    return answer
