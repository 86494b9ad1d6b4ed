"""Tells a project why something it was promised did not happen: the volume API's messages."""

from kilonova.lifecycle.volume_books import VolumeWorld
from kilonova.model.ids import new_uuid
from kilonova.model.volume import Message

KEPT_S = 30 * 86400.0
EVENTS = {"volume": "VOLUME_VOLUME_001_003", "snapshot": "VOLUME_VOLUME_SNAPSHOT_003_003"}


def tell(project_id: str, resource_type: str, resource_id: str, text: str, world: VolumeWorld) -> None:
    """`resource_type` is ``volume`` or ``snapshot``; `text` names no host."""
    message = Message(
        id=new_uuid(),
        project_id=project_id,
        request_id=world.request_id or f"req-{new_uuid()}",
        resource_type="VOLUME" if resource_type == "volume" else "VOLUME_SNAPSHOT",
        resource_id=resource_id,
        event_id=EVENTS[resource_type],
        text=text,
        created_at=world.now,
        until=world.now + KEPT_S,
    )
    world.books.volumes.messages.add(message)
