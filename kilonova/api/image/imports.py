"""Imports: staged bytes, or those at an address on the web, become an image's; and the tasks that tell how it went."""

import asyncio
import logging
from typing import Any

import msgspec

from kilonova.api.call import Answer, Call
from kilonova.api.image.access import image_id_of, viewer_of
from kilonova.api.image.discovery import STORE, import_methods
from kilonova.api.image.receive import Delivery, claim, take
from kilonova.api.image.views import task_view, tasks_view
from kilonova.api.paging import read_filters, read_page
from kilonova.api.world import ApiWorld, Books
from kilonova.errors import BadRequest, Conflict, KilonovaError
from kilonova.model.ids import new_uuid
from kilonova.model.image_tasks import KEPT_S, ImageTask, TaskQuestion, TaskStatus
from kilonova.model.images import Image, ImageStatus, check_owner
from kilonova.model.page import Order

log = logging.getLogger(__name__)
_AT_WORK: set[asyncio.Task[None]] = set()
"""The loop keeps no hold of a task that nobody waits for."""


class _Method(msgspec.Struct):
    name: str
    uri: str | None = None


class _Import(msgspec.Struct):
    """``{"method": {"name": "glance-direct"}}``; stores may be named, there is one."""

    method: _Method
    stores: list[str] | None = None
    all_stores: bool = False


async def import_image(call: Call) -> Answer:
    """POST /v2/images/{image_id}/import"""
    wanted = call.json(_Import)
    if wanted.method.name not in import_methods(call):
        raise BadRequest(f"Unknown import method name '{wanted.method.name[:64]}'.")
    if wanted.all_stores and wanted.stores is not None:
        raise BadRequest("Only one of 'stores' and 'all_stores' may be given.")
    if any(store != STORE for store in wanted.stores or ()):
        raise Conflict(f"One of the stores is not known; there is '{STORE}'.")
    if wanted.method.name == "web-download":
        return await _from_the_web(call, wanted.method.uri)
    return await _staged(call)


async def list_tasks(call: Call) -> Answer:
    """GET /v2/images/{image_id}/tasks"""
    image_id, viewer, now = image_id_of(call), viewer_of(call), call.world.now()

    def look(books: Books) -> list[dict[str, Any]]:
        books.images.get(image_id, viewer)
        return [task_view(task) for task in books.images.tasks.of_image(image_id, now)]

    return Answer(200, {"tasks": await call.world.ledger.read(look)})


async def all_tasks(call: Call) -> Answer:
    """GET /v2/tasks"""
    keys = ("created_at", "updated_at", "expires_at", "id", "status", "type")
    page = read_page(call, keys, (Order("created_at", descending=True), Order("id", descending=True)))
    wanted = TaskQuestion(now=call.world.now(), page=page, where=read_filters(call, ("status", "type", "image_id")))
    found = await call.world.ledger.read(lambda books: books.images.tasks.find(wanted))
    return Answer(200, tasks_view(call, found, page.limit))


async def show_task(call: Call) -> Answer:
    """GET /v2/tasks/{task_id}"""
    now, task_id = call.world.now(), call.path["task_id"]
    return Answer(200, task_view(await call.world.ledger.read(lambda books: books.images.tasks.get(task_id[:64], now))))


async def create_task(call: Call) -> Answer:
    """POST /v2/tasks: Glance's older way to import, which it has deprecated for the one above. Refused with that word."""
    raise BadRequest("Tasks are not created directly here: create an image, then POST /v2/images/{image_id}/import.")


async def _staged(call: Call) -> Answer:
    """The bytes, checked when they came in, become the image's: done when it is answered."""
    image_id, viewer, now = image_id_of(call), viewer_of(call), call.world.now()
    done = _task(call, image_id, TaskStatus.SUCCESS, {"name": "glance-direct"})

    def change(books: Books) -> None:
        image = books.images.get(image_id, viewer)
        _check_formats(image, call)
        if image.status is not ImageStatus.UPLOADING or image.content is None:
            raise Conflict(f"Image needs to be staged before 'glance-direct' method can be used; it is {image.status.value}.")
        books.images.replace(msgspec.structs.replace(image, status=ImageStatus.ACTIVE, updated_at=now))
        books.images.tasks.add(done)

    await call.world.ledger.write(change)
    return Answer(202)


async def _from_the_web(call: Call, uri: str | None) -> Answer:
    """Answered when the record waits for the bytes; the task tells how it ends."""
    web = call.world.web
    if web is None or not uri:
        raise BadRequest("The method web-download needs a uri.")
    web.check(uri)
    image_id, viewer = image_id_of(call), viewer_of(call)
    task = _task(call, image_id, TaskStatus.PROCESSING, {"name": "web-download", "uri": uri})

    def begin(books: Books) -> Image:
        image = books.images.get(image_id, viewer)
        _check_formats(image, call)
        if image.status is not ImageStatus.QUEUED:
            raise Conflict(f"Image needs to be in 'queued' state to use 'web-download' method; it is {image.status.value}.")
        books.images.tasks.add(task)
        return msgspec.structs.replace(image, status=ImageStatus.IMPORTING)

    delivery = Delivery(image_id=image_id, begin=begin, after=ImageStatus.ACTIVE, stream=web.fetch(uri))
    name = await claim(call.world, delivery)
    work = asyncio.create_task(_carry_out(call.world, delivery, name, task.id))
    _AT_WORK.add(work)
    work.add_done_callback(_AT_WORK.discard)
    return Answer(202)


async def _carry_out(world: ApiWorld, delivery: Delivery, name: str, task_id: str) -> None:
    """Until the image is active or queued again; the task says which."""
    status, why = TaskStatus.FAILURE, "The import was interrupted."
    try:
        await take(world, delivery, name)
        status, why = TaskStatus.SUCCESS, ""
    except KilonovaError as error:
        why = str(error)
        log.warning("import failed: %s", error, extra={"action": "import_failed", "image": delivery.image_id})
    finally:
        await world.ledger.write(lambda books: books.images.tasks.end(task_id, status, why, world.now()))


def _check_formats(image: Image, call: Call) -> None:
    check_owner(image, viewer_of(call))
    if image.container_format is None or image.disk_format is None:
        raise BadRequest("Properties container_format and disk_format must be set prior to import.")


def _task(call: Call, image_id: str, status: TaskStatus, method: dict[str, str]) -> ImageTask:
    now = call.world.now()
    return ImageTask(
        id=new_uuid(),
        image_id=image_id,
        owner=call.who.project_id,
        user_id=call.who.user_id,
        request_id=call.request_id,
        status=status,
        input={"image_id": image_id, "import_req": {"method": method}, "backend": [STORE]},
        created_at=now,
        updated_at=now,
        expires_at=None if status is TaskStatus.PROCESSING else now + KEPT_S,
    )
