"""Volumes and snapshots: made, grown, copied, plugged in, pulled out, deleted, in whatever state they are."""

import asyncio
from typing import Any

from kilonova.sim.operations.promise import Promise
from kilonova.sim.operations.scene import Answer, Turn
from kilonova.sim.operations.servers import SERVERS

VOLUMES, SNAPSHOTS = "/volume/v3/volumes", "/volume/v3/snapshots"
REFUSED = (400, 404, 409, 413)
"""Not in this state, gone, or too much for the quota."""


async def create(turn: Turn) -> None:
    """Blank, or of an image, a snapshot or another volume."""
    snapshot, volume = turn.one("snapshot"), turn.one("volume")
    sources: list[dict[str, Any]] = [{}, {}, {"imageRef": turn.image()}]
    sources += [{"snapshot_id": snapshot.id, "size": 4}] if snapshot else []
    sources += [{"source_volid": volume.id, "size": 4}] if volume else []
    body = {"volume": {"size": 1, "name": turn.name, **turn.rng.choice(sources)}}
    _made(turn, await turn.ask("POST", VOLUMES, body, allowed=(202, *REFUSED)), "volume")


async def extend(turn: Turn) -> None:
    volume = turn.one("volume")
    if volume is not None:
        body = {"os-extend": {"new_size": turn.rng.randint(2, 4)}}
        await turn.ask("POST", f"{VOLUMES}/{volume.id}/action", body, allowed=(202, *REFUSED))


async def delete(turn: Turn) -> None:
    volume = turn.one("volume")
    if volume is not None:
        cascade = turn.rng.choice(("", "", "?cascade=true"))
        await turn.remove(volume, f"{VOLUMES}/{volume.id}{cascade}", (202, *REFUSED))
        if cascade and volume.deleted != "no":
            _with_snapshots(turn, volume)


async def take_snapshot(turn: Turn) -> None:
    volume = turn.one("volume")
    if volume is None:
        return
    body = {"snapshot": {"volume_id": volume.id, "name": turn.name, "force": turn.rng.random() < 0.5}}
    _made(turn, await turn.ask("POST", SNAPSHOTS, body, allowed=(202, *REFUSED)), "snapshot", volume.id)


async def delete_snapshot(turn: Turn) -> None:
    snapshot = turn.one("snapshot")
    if snapshot is not None:
        await turn.remove(snapshot, f"{SNAPSHOTS}/{snapshot.id}", (202, *REFUSED))


async def upload(turn: Turn) -> None:
    """A volume becomes an image."""
    volume = turn.one("volume")
    if volume is None:
        return
    wish = {"image_name": turn.name, "disk_format": "qcow2", "container_format": "bare", "force": True}
    body = {"os-volume_upload_image": wish}
    answer = await turn.ask("POST", f"{VOLUMES}/{volume.id}/action", body, allowed=(202, *REFUSED))
    if answer.status == 202:
        turn.promised("image", answer.body["os-volume_upload_image"]["image_id"], turn.name, of=volume.id)
    elif not answer.known:
        turn.perhaps("image", turn.name)


async def race(turn: Turn) -> None:
    """More volumes at the same moment than the quota may have room for."""
    turns = [turn.again(f"{turn.name}-{number}") for number in range(turn.rng.randint(3, 8))]
    answers = await asyncio.gather(
        *(one.ask("POST", VOLUMES, {"volume": {"size": 1, "name": one.name}}, allowed=(202, 413)) for one in turns)
    )
    for one, answer in zip(turns, answers, strict=True):
        _made(one, answer, "volume")


async def attach(turn: Turn) -> None:
    """A volume into a server; sometimes the server goes at the same time."""
    server, volume = turn.one("server"), turn.one("volume")
    if server is None or volume is None:
        return
    goes = turn.rng.random() < 0.3
    body = {"volumeAttachment": {"volumeId": volume.id, "delete_on_termination": goes}}
    asked = turn.ask("POST", f"{SERVERS}/{server.id}/os-volume_attachments", body, allowed=(200, 202, 403, *REFUSED))
    if turn.rng.random() < 0.2:
        answer, _ = await turn.together(asked, turn.remove(server, f"{SERVERS}/{server.id}", (204, 404, 409)))
    else:
        answer = await asked
    if goes and (answer.status in (200, 202) or not answer.known):
        volume.with_servers.append(server.id)
    if answer.status in (200, 202):
        server.deeds.append(turn.deed("attach_volume", answer))


async def detach(turn: Turn) -> None:
    """Whichever volume is in one of the tenant's servers."""
    server = turn.one("server")
    if server is None:
        return
    path = f"{SERVERS}/{server.id}/os-volume_attachments"
    answer = await turn.take_out(path, "volumeAttachments", "volumeId", (202, 403, *REFUSED))
    if answer is not None and answer.status == 202:
        server.deeds.append(turn.deed("detach_volume", answer))


def _made(turn: Turn, answer: Answer, kind: Any, of: str = "") -> None:
    if answer.status == 202:
        turn.promised(kind, answer.body[kind]["id"], turn.name, of=of)
    elif not answer.known:
        turn.perhaps(kind, turn.name)


def _with_snapshots(turn: Turn, volume: Promise) -> None:
    """They go with it."""
    for snapshot in turn.scene.promises.ever("snapshot"):
        if snapshot.of == volume.id and snapshot.deleted == "no":
            snapshot.deleted = "maybe"
