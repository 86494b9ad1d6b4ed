"""The part of an audit that is about volumes: bytes without a row, rows without bytes, and volumes served to nobody."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from kilonova.lifecycle.audit.finding import Finding

WITH_FILES = ("available", "in-use", "attaching", "detaching", "reserved", "awaiting-transfer")
AT_WORK = ("creating", "deleting", "extending", "reverting", "uploading")
"""Statuses of a volume that work is under way on."""
SNAPSHOT_AT_WORK = ("creating", "deleting")


class OpenVolume(Struct, frozen=True, kw_only=True):
    """A volume that is in the ledger. `attachments`: id → the server it is, or will be, attached to."""

    id: str
    status: str
    node: str | None = None
    attachments: Mapping[str, str | None] = {}
    states: Mapping[str, str] = {}
    """Of those attachments that a server made: id → ``attaching``, ``attached``, ``detaching``."""
    work_id: str | None = None


class OpenSnapshot(Struct, frozen=True, kw_only=True):
    """A snapshot that is in the ledger."""

    id: str
    volume_id: str
    status: str
    work_id: str | None = None


class KeptVolumes(Struct, frozen=True, kw_only=True):
    """What one volume node has: volumes with files, and volume id → the attachment it is served to."""

    node: str
    volumes: tuple[str, ...] = ()
    exports: Mapping[str, str] = {}
    snapshots: Mapping[str, tuple[str, ...]] = {}


class KnownServers(Struct, frozen=True, kw_only=True):
    """Server id → its vm_state, of those that are not deleted; and the ids of all orders."""

    states: Mapping[str, str]
    orders: frozenset[str]


def on_nodes(
    volumes: Sequence[OpenVolume], snapshots: Sequence[OpenSnapshot], kept: Sequence[KeptVolumes], in_motion: set[str]
) -> Iterator[Finding]:
    """What the ledger and the volume nodes do not agree on, except what an order is under way for."""
    known = {volume.id: volume for volume in volumes}
    for node in kept:
        for volume_id in set(node.volumes) - known.keys() - in_motion:
            text = f"the volume node {node.node} has files of it"
            yield Finding(kind="volume files without volume", about=volume_id, text=text, host=node.node)
        for volume_id, attachment_id in node.exports.items():
            volume = known.get(volume_id)
            servers = {} if volume is None else volume.attachments
            busy = {volume_id, *filter(None, servers.values())} & in_motion
            if attachment_id not in servers and not busy:
                text = f"the volume node {node.node} serves it to an attachment that is over"
                yield Finding(kind="volume served to nobody", about=volume_id, text=text, host=node.node)
        yield from _snapshots(node, known, snapshots, in_motion)
    with_files = {node.node: set(node.volumes) for node in kept}
    for volume in volumes:
        there = with_files.get(volume.node or "", {volume.id})  # a node that did not answer is found silent
        if volume.status in WITH_FILES and volume.id not in in_motion | there:
            text = f"the volume node {volume.node} has none of it"
            yield Finding(kind="volume without files", about=volume.id, text=text, host=volume.node or "")


def _snapshots(
    node: KeptVolumes, known: Mapping[str, OpenVolume], snapshots: Sequence[OpenSnapshot], in_motion: set[str]
) -> Iterator[Finding]:
    said = {snapshot.id: snapshot for snapshot in snapshots}
    for volume_id, there in node.snapshots.items():
        if volume_id in in_motion or volume_id not in known:
            continue
        for snapshot_id in set(there) - said.keys():
            text = f"it is in the file of volume {volume_id}, and the ledger has no snapshot of this id"
            yield Finding(kind="snapshot without record", about=snapshot_id, text=text, host=node.node)
    for snapshot in snapshots:
        looked_at = node.snapshots.get(snapshot.volume_id)
        if looked_at is None or snapshot.volume_id in in_motion or snapshot.status != "available":
            continue
        if snapshot.id not in looked_at:
            text = f"the file of volume {snapshot.volume_id} does not have it"
            yield Finding(kind="snapshot without bytes", about=snapshot.id, text=text, host=node.node)


def in_ledger(
    volumes: Sequence[OpenVolume], snapshots: Sequence[OpenSnapshot], known: KnownServers, in_motion: set[str]
) -> Iterator[Finding]:
    """What the ledger's own rows on volumes do not agree on."""
    for volume in volumes:
        yield from _attachments(volume, known, in_motion)
        if volume.id in in_motion:
            continue
        if volume.status in AT_WORK and volume.work_id is not None and volume.work_id not in known.orders:
            text = f"it is {volume.status}, and nobody was told to do it"
            yield Finding(kind="volume work without order", about=volume.id, text=text, host=volume.node or "")
        elif volume.work_id is None:
            yield from _status(volume, in_motion)
    for snapshot in snapshots:
        stuck = snapshot.status in SNAPSHOT_AT_WORK and snapshot.work_id is not None and snapshot.work_id not in known.orders
        if stuck and snapshot.volume_id not in in_motion:
            text = f"it is {snapshot.status}, and nobody was told to do it"
            yield Finding(kind="snapshot work without order", about=snapshot.id, text=text)


def _attachments(volume: OpenVolume, known: KnownServers, in_motion: set[str]) -> Iterator[Finding]:
    for attachment_id, state in volume.states.items():
        server_id = volume.attachments[attachment_id] or ""
        if in_motion & {server_id, volume.id}:
            continue
        if server_id not in known.states:
            text = f"volume {volume.id} is attached to server {server_id}, which is gone"
            yield Finding(kind="attachment without server", about=attachment_id, text=text)
        elif state in ("attaching", "detaching") and known.states[server_id] not in ("building", "error"):
            text = f"volume {volume.id} is {state} at server {server_id}, and nobody was told to do it"
            yield Finding(kind="attachment without order", about=attachment_id, text=text)


def _status(volume: OpenVolume, in_motion: set[str]) -> Iterator[Finding]:
    """What it is attached to says what it is."""
    if in_motion & set(filter(None, volume.attachments.values())):
        return
    attached = "attached" in volume.states.values()
    if volume.status == "in-use" and not volume.attachments:
        yield Finding(kind="volume status", about=volume.id, text="it is in-use, and attached to nothing")
    elif volume.status == "available" and attached:
        yield Finding(kind="volume status", about=volume.id, text="it is available, and attached to a server")
