"""``/v3/projects/{project_id}/tags``: words on a project. Each change is one transaction on the project's record."""

from collections.abc import Callable
from urllib.parse import quote

import msgspec

from kilonova.api.call import Answer, Call
from kilonova.api.identity.answers import change_identity, done
from kilonova.api.identity.schemas import ProjectTags, Tag
from kilonova.api.identity.views import base
from kilonova.api.world import Books
from kilonova.errors import BadRequest, NotFound

MAX_TAGS = 80


async def list_tags(call: Call) -> Answer:
    project = await call.world.ledger.read(lambda books: books.identity.projects.get(call.path["project_id"]))
    return _tags(call, project.tags)


async def replace_tags(call: Call) -> Answer:
    wanted = call.json(ProjectTags).tags
    return _tags(call, await _change(call, lambda _: tuple(dict.fromkeys(wanted))))


async def remove_tags(call: Call) -> Answer:
    await _change(call, lambda _: ())
    return done()


async def check_tag(call: Call) -> Answer:
    project = await call.world.ledger.read(lambda books: books.identity.projects.get(call.path["project_id"]))
    _must_have(project.tags, call.path["tag"])
    return done()


async def add_tag(call: Call) -> Answer:
    try:
        tag = msgspec.convert(call.path["tag"], Tag)
    except msgspec.ValidationError as wrong:
        raise BadRequest(f"Invalid input for tag: {wrong}") from None
    await _change(call, lambda tags: tuple(dict.fromkeys((*tags, tag))))
    return Answer(201, headers={"Location": f"{base(call)}/projects/{quote(call.path['project_id'])}/tags/{quote(tag)}"})


async def remove_tag(call: Call) -> Answer:
    def without(tags: tuple[str, ...]) -> tuple[str, ...]:
        _must_have(tags, call.path["tag"])
        return tuple(tag for tag in tags if tag != call.path["tag"])

    await _change(call, without)
    return done()


async def _change(call: Call, new: Callable[[tuple[str, ...]], tuple[str, ...]]) -> tuple[str, ...]:
    def change(books: Books) -> tuple[str, ...]:
        projects = books.identity.projects
        project = projects.get(call.path["project_id"])
        tags = new(project.tags)
        if len(tags) > MAX_TAGS:
            raise BadRequest(f"A project has at most {MAX_TAGS} tags.")
        return projects.change(project.id, {"tags": tags}).tags

    return await change_identity(call, change)


def _must_have(tags: tuple[str, ...], tag: str) -> None:
    if tag not in tags:
        raise NotFound(f"Could not find project tag: {tag[:64]}.")


def _tags(call: Call, tags: tuple[str, ...]) -> Answer:
    here = f"{base(call)}/projects/{quote(call.path['project_id'])}/tags"
    return Answer(200, {"tags": list(tags), "links": {"self": here, "previous": None, "next": None}})
