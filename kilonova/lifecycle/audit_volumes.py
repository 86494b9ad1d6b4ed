"""The part of an audit that is about volumes: files without a volume, volumes without files, and volumes served to nobody."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

WITH_FILES = ("available", "in-use", "attaching", "detaching", "reserved", "awaiting-transfer")


class OpenVolume(Struct, frozen=True, kw_only=True):
    """A volume that is in the ledger. `attachments`: id → the server it is, or will be, attached to."""

    id: str
    status: str
    node: str | None = None
    attachments: Mapping[str, str | None] = {}


class KeptVolumes(Struct, frozen=True, kw_only=True):
    """What one volume node has: volumes with files, and volume id → the attachment it is served to."""

    node: str
    volumes: tuple[str, ...] = ()
    exports: Mapping[str, str] = {}


def misfits(volumes: Sequence[OpenVolume], kept: Sequence[KeptVolumes], in_motion: set[str]) -> Iterator[tuple[str, str, str]]:
    """(kind, id, text) of everything that does not fit, except what an order is under way for."""
    known = {volume.id: volume for volume in volumes}
    for node in kept:
        for volume_id in node.volumes:
            if volume_id not in known and volume_id not in in_motion:
                yield "volume files without volume", volume_id, f"the volume node {node.node} has files of it"
        for volume_id, attachment_id in node.exports.items():
            volume = known.get(volume_id)
            servers = {} if volume is None else volume.attachments
            busy = {volume_id, *filter(None, servers.values())} & in_motion
            if attachment_id not in servers and not busy:
                yield "volume served to nobody", volume_id, f"the volume node {node.node} serves it to an attachment that is over"
    with_files = {node.node: set(node.volumes) for node in kept}
    for volume in volumes:
        there = with_files.get(volume.node or "", {volume.id})  # a node that did not answer is found silent
        if volume.status in WITH_FILES and volume.id not in in_motion | there:
            yield "volume without files", volume.id, f"the volume node {volume.node} has none of it"
