"""Paths that exist only in some microversions: outside of them they are not there (404)."""

from functools import wraps

from kilonova.api.call import Answer, Call, Handler
from kilonova.errors import NotFound


def since(minor: int, handler: Handler) -> Handler:
    """`handler`, for clients of version 2.`minor` and newer."""

    @wraps(handler)
    async def spoken(call: Call) -> Answer:
        if call.version[1] < minor:
            raise NotFound()
        return await handler(call)

    return spoken


def until(minor: int, handler: Handler) -> Handler:
    """`handler`, for clients of version 2.`minor` and older."""

    @wraps(handler)
    async def spoken(call: Call) -> Answer:
        if call.version[1] > minor:
            raise NotFound()
        return await handler(call)

    return spoken
