"""What every handler of the volume API shares: the project in its path, microversions of a path, the terms of work."""

from functools import wraps
from typing import TypeVar

import msgspec
from msgspec import Struct

from kilonova.api.call import Answer, Call, Handler
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Forbidden, NotFound
from kilonova.lifecycle.volume_books import VolumeWorld

Body = TypeVar("Body")


def in_project(handler: Handler) -> Handler:
    """`handler` for paths with a project id in them, which must be the token's, and for the same paths without one."""

    @wraps(handler)
    async def guarded(call: Call) -> Answer:
        if call.slash:
            raise NotFound()
        named = call.path.get("project_id")
        if named is not None and call.who.project_id and named != call.who.project_id:
            raise BadRequest("Malformed request url")
        return await handler(call)

    return guarded


def since(minor: int, handler: Handler) -> Handler:
    """`handler`, for clients of version 3.`minor` and newer; to others the path is not there."""

    @wraps(handler)
    async def spoken(call: Call) -> Answer:
        if call.version[1] < minor:
            raise NotFound(f"API version 3.{call.version[1]} is not supported on this method.")
        return await handler(call)

    return spoken


def admin_only(call: Call, what: str) -> None:
    if not call.who.is_admin:
        raise Forbidden(f"Policy doesn't allow {what} to be performed.")


def work_in(books: Books, call: Call) -> VolumeWorld:
    """The transaction as the lifecycle of volumes wants it."""
    return VolumeWorld(books=books, terms=call.world.volume_terms(call.world.now()), request_id=call.request_id)


def read(call: Call, noun: str, shape: type[Body]) -> Body:
    """What stands under `noun` in the body. Raises BadRequest. Numbers and truths may be written as text, as Cinder has it."""
    whole = call.json(dict[str, msgspec.Raw])
    if noun not in whole:
        raise BadRequest(f"Missing required element '{noun}' in request body.")
    return convert(msgspec.json.decode(whole[noun]), shape)


def convert(value: object, shape: type[Body]) -> Body:
    try:
        return msgspec.convert(value, shape, strict=False)
    except msgspec.ValidationError as wrong:
        raise BadRequest(f"Invalid input: {wrong}") from None


def given(body: Struct) -> dict[str, object]:
    """The fields a client said something about."""
    return {name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not msgspec.UNSET}
