"""What is mended in the ledger of volumes and images."""

from collections.abc import Mapping
from typing import cast

from msgspec import structs

from kilonova.lifecycle.volume_ends import note_volume_work
from kilonova.lifecycle.volume_work import VolumeOrder, VolumeWorkDone, Work
from kilonova.lifecycle.volumes import delete_snapshot, order_deletion
from kilonova.model.ids import NodeName, new_uuid
from kilonova.model.volume_rules import settled
from kilonova.nodes.repair.case import NEEDS_WORD, Case, LeftAlone, Mend
from kilonova.nodes.repair.servers import LOST

WORK_OF = {"creating": "create", "extending": "extend", "reverting": "revert", "uploading": "upload"}
"""A volume's status → the work that ends it."""


def _end_work(case: Case) -> str:
    """As if its node had said that it failed."""
    volume = case.tx.volumes.volumes.or_none(case.about)
    if volume is None or volume.work_id is None or volume.id in case.tx.orders.open_servers():
        raise LeftAlone("something is under way for it just now, or it is gone")
    if volume.status == "deleting":
        order_deletion(volume, case.volume_world)
        return "its deletion is ordered again"
    work = cast(Work, WORK_OF[volume.status])
    node = NodeName(volume.node or "")
    done = VolumeWorkDone(work_id=volume.work_id, work=work, volume_id=volume.id, node=node, at=case.now, failed=LOST)
    note_volume_work(done, case.volume_world)
    return f"its work {work} has failed, and its owner is told"


def _end_snapshot_work(case: Case) -> str:
    book = case.tx.volumes
    snapshot = book.snapshots.get(case.about)
    volume = book.volumes.get(snapshot.volume_id)
    if snapshot.work_id is None or volume.id in case.tx.orders.open_servers():
        raise LeftAlone("something is under way for it just now")
    if snapshot.status == "deleting":
        delete_snapshot(snapshot, case.volume_world, force=True)
        return "its deletion is ordered again"
    node = NodeName(volume.node or "")
    done = VolumeWorkDone(work_id=snapshot.work_id, work="snapshot", volume_id=volume.id, node=node, at=case.now, failed=LOST)
    note_volume_work(done, case.volume_world)
    return "it has failed, and its owner is told"


def _settle(case: Case) -> str:
    book = case.tx.volumes
    volume = book.volumes.get(case.about)
    status = settled(book.attachments.of_volume(volume.id))
    book.volumes.replace(structs.replace(volume, status=status, previous_status=None, updated_at=case.now))
    return f"it is {status}"


def _detach(case: Case) -> str:
    attachment = case.tx.volumes.attachments.or_none(case.about)
    if attachment is None or attachment.server_id is None:
        raise LeftAlone("it is gone by now")
    case.refuse_busy(attachment.server_id)
    case.tx.volumes.release_server(attachment.server_id, case.now)
    return "its volumes are released, as when it went"


def _roll_back(case: Case) -> str:
    attachment = case.tx.volumes.attachments.or_none(case.about)
    if attachment is None or attachment.server_id is None:
        raise LeftAlone("it is gone by now")
    case.refuse_busy(attachment.server_id)
    case.tx.volumes.rolled_back(case.about, case.now)
    return "it is as it was before"


def _remove_files(case: Case) -> str:
    return _order(case, case.about, "delete", "its deletion is ordered")


def _remove_snapshot(case: Case) -> str:
    told = (one for one in case.seen.told if one.node == case.finding.host)
    holders = (volume_id for one in told for volume_id, there in one.snapshots.items() if case.about in there)
    volume_id = next(holders, None)
    if volume_id is None:
        raise LeftAlone("it is gone by now")
    return _order(case, volume_id, "delete_snapshot", "its deletion is ordered", snapshot_id=case.about)


def _order(case: Case, volume_id: str, work: Work, done: str, snapshot_id: str = "") -> str:
    if not case.unknown:
        raise LeftAlone(NEEDS_WORD)
    order = VolumeOrder(
        work_id=new_uuid(),
        work=work,
        volume_id=volume_id,
        node=NodeName(case.finding.host),
        size_gb=0,
        deadline=case.volume_world.terms.deadline,
        ordered_at=case.now,
        snapshot_id=snapshot_id,
    )
    case.tx.orders.queue_volume(order)
    return done


def _forget_metadata(case: Case) -> str:
    case.book.forget_metadata(case.about)
    return "the metadata is gone"


def _fail_image(case: Case) -> str:
    for owner in filter(None, case.owners()):
        case.refuse_busy(owner)
    case.tx.images.fail_snapshot(case.about, case.now)
    return "its record is gone"


VOLUMES: Mapping[str, Mend] = {
    "volume work without order": _end_work,
    "snapshot work without order": _end_snapshot_work,
    "volume status": _settle,
    "attachment without server": _detach,
    "attachment without order": _roll_back,
    "volume files without volume": _remove_files,
    "snapshot without record": _remove_snapshot,
    "metadata of nobody": _forget_metadata,
    "image that waits for nobody": _fail_image,
}
