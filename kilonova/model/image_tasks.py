"""What an import did, is doing, or failed to do: Glance's task. Runs nothing."""

from enum import Enum
from typing import Any

from msgspec import Struct, field

from kilonova.model.page import EVERYTHING, Condition, Page

KEPT_S = 48 * 3600.0
"""After its end a task can be looked up for so long, as in Glance."""


class TaskStatus(Enum):
    """The states of Glance's tasks that can occur here."""

    PROCESSING = "processing"
    SUCCESS = "success"
    FAILURE = "failure"


class ImageTask(Struct, frozen=True, kw_only=True):
    """Times are Unix seconds."""

    id: str
    image_id: str
    owner: str
    """The id of the project that asked."""
    user_id: str
    request_id: str
    type: str = "api_image_import"
    status: TaskStatus = TaskStatus.PROCESSING
    message: str = ""
    """Why it failed, for its owner."""
    input: dict[str, Any] = field(default_factory=dict)
    created_at: float = 0.0
    updated_at: float = 0.0
    expires_at: float | None = None
    """None while it is at work."""


class TaskQuestion(Struct, frozen=True, kw_only=True):
    """Which tasks are wanted, and which part of that list."""

    now: float
    """What has expired by then is not shown."""
    page: Page = EVERYTHING
    where: tuple[Condition, ...] = ()
