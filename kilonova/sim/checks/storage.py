"""Volumes, snapshots and images: each as it was promised, in no status that is only for a while, and with its bytes."""

from collections import defaultdict
from collections.abc import Iterator

from kilonova.sim.checks.servers import INSIDE, history
from kilonova.sim.checks.view import Row, View
from kilonova.sim.operations.promise import Promise, Promises, Violation, violation

AT_REST = ("available", "in-use", "error", "error_deleting", "error_extending", "error_restoring")
WITH_BYTES = ("available", "in-use")
SNAPSHOT_AT_REST = ("available", "error", "error_deleting")
IMAGE_AT_REST = ("active", "deactivated", "killed")


def misfits(view: View, promises: Promises) -> Iterator[Violation]:
    yield from _volumes(view)
    yield from _attachments(view)
    yield from _snapshots(view)
    yield from _bytes(view)
    yield from _images(view, promises)
    yield from _promised(view, promises)


def _volumes(view: View) -> Iterator[Violation]:
    for row in view.rows["volumes"]:
        if row["status"] not in AT_REST or row["work_id"] is not None:
            text = f"it is {row['status']} (work {row['work_id']}), and nothing will ever end it"
            yield violation("stuck", row["id"], text, *_story(view, row["id"]))
        elif row["status"].startswith("error"):
            yield from _reason(view, row)


def _reason(view: View, row: Row) -> Iterator[Violation]:
    told = [message["text"] for message in view.of("volume_messages", resource_id=row["id"])]
    if not told:
        yield violation("no reason", row["id"], f"it is {row['status']}, and no message says why", *_story(view, row["id"]))
    for text in told:
        if INSIDE.search(text):
            yield violation("no reason", row["id"], f"its owner reads: {text}")


def _attachments(view: View) -> Iterator[Violation]:
    volumes, alive = view.by_id("volumes"), {row["id"] for row in view.alive}
    of_volume: dict[str, list[Row]] = defaultdict(list)
    for one in view.rows["volume_attachments"]:
        of_volume[one["volume_id"]].append(one)
        facts = [*_story(view, one["volume_id"]), *history(view, one["server_id"] or "")]
        if one["server_id"] not in alive:
            yield violation("attachment", one["id"], f"its server {one['server_id']} is gone", *facts)
        elif one["state"] != "attached" and _builds(view, one["server_id"]):
            yield violation("stuck", one["id"], f"it is {one['state']}, and nothing will ever end it", *facts)
    for volume_id, row in volumes.items():
        attached = [one for one in of_volume[volume_id] if one["state"] == "attached"]
        if len(of_volume[volume_id]) > 1:
            yield violation("attachment", volume_id, f"it has {len(of_volume[volume_id])} of them", *_story(view, volume_id))
        if (row["status"] == "in-use") != bool(attached) and row["status"] in WITH_BYTES:
            text = f"it is {row['status']}, and has {len(attached)} attachments that stand"
            yield violation("attachment", volume_id, text, *_story(view, volume_id))


def _builds(view: View, server_id: str) -> bool:
    """Whether the server was ever built: one that was not keeps its volumes reserved until it is deleted."""
    return any(row["action"] == "create" and row["message"] is None for row in view.of("actions", server_id=server_id))


def _snapshots(view: View) -> Iterator[Violation]:
    for row in view.rows["volume_snapshots"]:
        facts = _story(view, row["volume_id"])
        if row["status"] not in SNAPSHOT_AT_REST or row["work_id"] is not None:
            text = f"the snapshot is {row['status']} (work {row['work_id']}), and nothing will ever end it"
            yield violation("stuck", row["id"], text, *facts)
        elif row["status"].startswith("error"):
            yield from _reason(view, row)


def _bytes(view: View) -> Iterator[Violation]:
    volumes = view.by_id("volumes")
    attachments = view.by_id("volume_attachments")
    for volume_id in sorted(view.files - volumes.keys()):
        yield violation(
            "volume files", volume_id, "its volume is gone, and a volume node has its bytes", *_story(view, volume_id)
        )
    for volume_id, row in volumes.items():
        if row["status"] in WITH_BYTES and volume_id not in view.files:
            yield violation("volume files", volume_id, f"it is {row['status']}, and has no bytes", *_story(view, volume_id))
    for volume_id, attachment_id in view.exports.items():
        if attachment_id not in attachments:
            text = f"it is served to {attachment_id}, which is over"
            yield violation("export", volume_id, text, *_story(view, volume_id))
    running = {row["id"] for row in view.alive if row["vm_state"] in ("active", "paused")}
    for one in attachments.values():
        if one["state"] == "attached" and one["server_id"] in running and view.exports.get(one["volume_id"]) != one["id"]:
            text = f"its server runs, and it is served to {view.exports.get(one['volume_id'])}, not to {one['id']}"
            yield violation("export", one["volume_id"], text, *_story(view, one["volume_id"]), *history(view, one["server_id"]))


def _images(view: View, promises: Promises) -> Iterator[Violation]:
    rows = view.by_id("images")
    for row in rows.values():
        if row["deleted_at"] is None and row["status"] not in IMAGE_AT_REST:
            yield violation("stuck", row["id"], f"the image is {row['status']}, and nothing will ever end it")
    for promise in promises.ever("image"):
        image = rows.get(promise.id)
        if image is None:
            yield violation("lost", promise.id, f"the image {promise.name} was accepted, and is not in the ledger")
        elif promise.deleted == "yes" and image["deleted_at"] is None:
            yield violation("not gone", promise.id, f"the image {promise.name} was deleted, and is there")
        elif promise.deleted == "no" and image["deleted_at"] is not None and _was_taken(view, promise):
            facts = history(view, promise.of)
            yield violation("gone", promise.id, f"the image {promise.name} was made, and nobody has deleted it", *facts)


def _was_taken(view: View, promise: Promise) -> bool:
    """Whether the history of its server says that it was made."""
    wanted = {deed.request_id for deed in promise.deeds}
    actions = [row for row in view.of("actions", server_id=promise.of) if row["request_id"] in wanted]
    return any(row["updated_at"] is not None and row["message"] is None for row in actions)


def _promised(view: View, promises: Promises) -> Iterator[Violation]:
    for kind, table in (("volume", "volumes"), ("snapshot", "volume_snapshots")):
        rows = view.by_id(table)
        for promise in promises.accepted.values():
            if promise.kind != kind:
                continue
            row = rows.get(promise.id)
            if row is None and promise.deleted == "no" and not _went_along(view, promise):
                text = f"the {kind} {promise.name} was accepted, and is not there"
                yield violation("lost", promise.id, text, *_story(view, promise.id))
            if row is not None and promise.deleted == "yes" and row["status"] != "error_deleting":
                text = f"the {kind} {promise.name} was to be deleted, and is {row['status']}"
                yield violation(
                    "not gone", promise.id, text, *_story(view, row["volume_id"] if kind == "snapshot" else row["id"])
                )


def _went_along(view: View, promise: Promise) -> bool:
    """With a server that was to take it along: one that is gone, or whose build failed, which takes it along as in Nova."""
    alive = {row["id"] for row in view.alive}
    named = [row["id"] for row in view.rows["servers"] if row["name"] in promise.with_named]
    return any(server_id not in alive or not _builds(view, server_id) for server_id in (*promise.with_servers, *named))


def _story(view: View, volume_id: str) -> list[str]:
    """What is known of a volume, a line each."""
    lines = [f"volume {row['name']} {row['status']} node {row['node']}" for row in view.of("volumes", id=volume_id)]
    lines += [
        f"attachment {row['id']} {row['state']} of {row['server_id']}"
        for row in view.of("volume_attachments", volume_id=volume_id)
    ]
    lines += [f"snapshot {row['id']} {row['status']}" for row in view.of("volume_snapshots", volume_id=volume_id)]
    lines += [f"order {row['kind']} sent {row['sent']}" for row in view.of("orders", server_id=volume_id)]
    return lines + [f"message: {row['text']}" for row in view.of("volume_messages", resource_id=volume_id)]
