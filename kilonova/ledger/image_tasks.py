"""The tasks of images, kept for two days after their end. Runs none."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Column, Connection, Float, LargeBinary, String, Table, Text, delete, insert, or_, select, update

from kilonova.errors import NotFound
from kilonova.ledger.paging import select_page
from kilonova.ledger.schema import metadata
from kilonova.model.image_tasks import KEPT_S, ImageTask, TaskQuestion, TaskStatus

image_tasks = Table(
    "image_tasks",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("image_id", String(36), nullable=False, index=True),
    Column("owner", String(64), nullable=False),
    Column("user_id", String(64), nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("type", String(32), nullable=False),
    Column("status", String(16), nullable=False),
    Column("message", Text, nullable=False),
    Column("input", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("expires_at", Float, index=True),
)


class ImageTasks:
    """The book of tasks in one transaction; see `kilonova.api.image.needs.TaskBook`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, task: ImageTask) -> None:
        """Forgets on the way what has expired."""
        self._connection.execute(delete(image_tasks).where(image_tasks.c.expires_at < task.created_at))
        values = {name: getattr(task, name) for name in ImageTask.__struct_fields__}
        written = {"status": task.status.value, "input": msgspec.json.encode(task.input)}
        self._connection.execute(insert(image_tasks), {**values, **written})

    def end(self, task_id: str, status: TaskStatus, message: str, now: float) -> None:
        """It is over. One that is over already, or gone, stays as it is."""
        ended = {"status": status.value, "message": message, "updated_at": now, "expires_at": now + KEPT_S}
        still = image_tasks.c.status == TaskStatus.PROCESSING.value
        self._connection.execute(update(image_tasks).where(image_tasks.c.id == task_id, still).values(ended))

    def end_of_image(self, image_id: str, message: str, now: float) -> None:
        """Whatever was at work on this image has died."""
        query = select(image_tasks.c.id).where(image_tasks.c.image_id == image_id)
        for task_id in self._connection.execute(query).scalars().all():
            self.end(task_id, TaskStatus.FAILURE, message, now)

    def get(self, task_id: str, now: float) -> ImageTask:
        """Raises NotFound."""
        row = self._connection.execute(_unexpired(now).where(image_tasks.c.id == task_id)).one_or_none()
        if row is None:
            raise NotFound(f"No task found with ID {task_id}")
        return _task_of(row)

    def of_image(self, image_id: str, now: float) -> Sequence[ImageTask]:
        """The oldest first."""
        query = _unexpired(now).where(image_tasks.c.image_id == image_id).order_by(image_tasks.c.created_at, image_tasks.c.id)
        return [_task_of(row) for row in self._connection.execute(query)]

    def find(self, wanted: TaskQuestion) -> Sequence[ImageTask]:
        """Raises BadRequest for an unknown marker."""
        rows = select_page(self._connection, image_tasks, wanted.where, wanted.page, _unexpired(wanted.now))
        return [_task_of(row) for row in rows]


def _unexpired(now: float) -> Any:
    return select(image_tasks).where(or_(image_tasks.c.expires_at.is_(None), image_tasks.c.expires_at > now))


def _task_of(row: Any) -> ImageTask:
    values = {name: row._mapping[name] for name in ImageTask.__struct_fields__}
    return ImageTask(**{**values, "status": TaskStatus(row.status), "input": msgspec.json.decode(row.input)})
