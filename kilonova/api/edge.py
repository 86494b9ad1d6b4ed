"""From bytes to a handler and back: the middleware every request passes, in order. Decides nothing about clouds.

Outermost first; each takes the call and the rest of the way, and says in its name what it adds.
"""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Sequence

from kilonova.api.call import Answer, Call, Handler
from kilonova.api.errors import status_of
from kilonova.api.rights import Right, check
from kilonova.api.service import Service
from kilonova.errors import BadRequest, KilonovaError, NotAuthenticated, NotFound
from kilonova.model.identity_credentials import permits

log = logging.getLogger(__name__)

_NUL_IN_JSON = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_LONGEST_MESSAGE = 1000
"""Characters: what was sent is quoted back, and may be long."""

Rest = Callable[[Call], Awaitable[Answer]]
Middleware = Callable[[Call, Service, Handler, Rest], Awaitable[Answer]]


async def name_the_request(call: Call, service: Service, handler: Handler, rest: Rest) -> Answer:
    """The request id goes into every answer, good or bad."""
    answer = await rest(call)
    answer.headers["x-openstack-request-id"] = call.request_id
    if service.name == "compute":
        answer.headers["x-compute-request-id"] = call.request_id
    if service.finish is not None:
        service.finish(call, answer)
    return answer


async def turn_errors_into_answers(call: Call, service: Service, handler: Handler, rest: Rest) -> Answer:
    """A domain error becomes the service's error body; anything else is our fault, logged, and told without details."""
    try:
        return await rest(call)
    except KilonovaError as error:
        status = status_of(error)
        return error_answer(call, service, status, str(error), error.kind)
    except asyncio.CancelledError:  # only by a process that ends; it would be a 500 without a word
        doubt = "" if call.method in ("GET", "HEAD") else " It is not known whether the request was carried out."
        return error_answer(call, service, 503, f"This part of the cloud is being started anew.{doubt} Please try again.", None)
    except Exception:
        log.exception("request failed", extra={"action": "request_failed", "request_id": call.request_id})
        message = f"An unexpected error prevented the server from fulfilling your request. Its id is {call.request_id}."
        return error_answer(call, service, 500, message, None)


async def find_the_caller(call: Call, service: Service, handler: Handler, rest: Rest) -> Answer:
    """A token, where there is one, becomes a caller. Whether one is needed is the right table's business."""
    token = call.headers.get("x-auth-token")
    if token:
        try:
            call.caller = await call.world.tokens.caller(token)
        except NotAuthenticated:
            call.caller = None
    check(call, service.rights[handler])
    return await rest(call)


async def keep_to_access_rules(call: Call, service: Service, handler: Handler, rest: Rest) -> Answer:
    """A token of an application credential with access rules is good for the calls they name; what needs no token is free.

    A rule's path is the one below the service's mount (``/v2.1/servers``) or the whole. Any token may be used to look at itself.
    """
    use = call.caller.app_credential if call.caller else None
    if use is not None and use.access_rules and service.rights[handler] is not Right.ANYONE:
        below = call.url_path.removeprefix(service.mount)
        looks_at_token = service.name == "identity" and (call.method, below) == ("GET", "/v3/auth/tokens")
        allowed = permits(use.access_rules, service.types or (service.name,), call.method, (below, call.url_path))
        if not allowed and not looks_at_token:
            raise NotAuthenticated()
    return await rest(call)


async def agree_on_a_version(call: Call, service: Service, handler: Handler, rest: Rest) -> Answer:
    """Microversions, where the service has them."""
    if service.negotiate is not None:
        service.negotiate(call)
    return await rest(call)


async def read_the_body(call: Call, service: Service, handler: Handler, rest: Rest) -> Answer:
    """JSON bodies are read whole, below a limit; image data is left to its handler as a stream."""
    if call.method in ("POST", "PUT", "PATCH", "DELETE") and not call.headers.get("content-type", "").startswith(
        "application/octet-stream"
    ):
        call.body = await call.read_body()
        if _NUL_IN_JSON.search(call.body):
            raise BadRequest("The request body has a NUL character in it.")
    return await rest(call)


async def refuse_nul(call: Call, service: Service, handler: Handler, rest: Rest) -> Answer:
    """PostgreSQL takes no NUL in text, so none gets in. Nothing has one in its name: such a path is not there."""
    if "\0" in call.url_path:
        raise NotFound()
    if any("\0" in text for name, values in call.query.items() for text in (name, *values)):
        raise BadRequest("The query has a NUL character in it.")
    return await rest(call)


MIDDLEWARE: Sequence[Middleware] = (
    name_the_request,
    turn_errors_into_answers,
    refuse_nul,
    agree_on_a_version,
    find_the_caller,
    keep_to_access_rules,
    read_the_body,
)


def error_answer(call: Call, service: Service, status: int, message: str, kind: str | None) -> Answer:
    """An error as this service's clients expect it."""
    if len(message) > _LONGEST_MESSAGE:
        message = f"{message[: _LONGEST_MESSAGE - 200]} … {message[-150:]}"
    answer = Answer(status, service.error_body(status, message, kind, call.request_id))
    if status == 401:
        answer.headers["WWW-Authenticate"] = f'Keystone uri="{call.world.public_url}/identity"'
    if status == 503:
        answer.headers["Retry-After"] = "2"
    return answer


def through_the_middleware(service: Service, handler: Handler) -> Rest:
    """The handler with everything around it, as one function."""
    rest: Rest = handler
    for middleware in reversed(MIDDLEWARE):
        rest = _around(middleware, service, handler, rest)
    return rest


def _around(middleware: Middleware, service: Service, handler: Handler, rest: Rest) -> Rest:
    async def layer(call: Call) -> Answer:
        return await middleware(call, service, handler, rest)

    return layer


def now() -> float:
    return time.time()
