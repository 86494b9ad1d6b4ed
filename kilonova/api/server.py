"""The one HTTP application: every service's routes on one port, behind the one list of middleware.

It turns Falcon's request into a Call and an Answer into Falcon's response, and does nothing else.
"""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import falcon
import falcon.asgi
import msgspec

from kilonova.api.call import MAX_BODY, Answer, Call, Handler
from kilonova.api.edge import error_answer, now, through_the_middleware
from kilonova.api.errors import identity_body
from kilonova.api.service import Service
from kilonova.api.world import ApiWorld
from kilonova.errors import BadRequest, TooLarge

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
CHUNK = 256 * 1024

Responder = Callable[..., Awaitable[None]]


class WatchedRequest(falcon.asgi.Request):
    """Knows when a client goes away in the middle of a body: Falcon's stream just ends then, as after a whole one."""

    def __init__(self, scope: Any, receive: Any, first_event: Any = None, options: Any = None) -> None:
        self.cut_off = False

        async def watched() -> Any:
            event = await receive()
            self.cut_off = self.cut_off or event["type"] == "http.disconnect"
            return event

        super().__init__(scope, watched, first_event=first_event, options=options)


def application(world: ApiWorld, services: Sequence[Service]) -> falcon.asgi.App[Any, Any]:
    """An ASGI application that speaks all of `services`."""
    app = falcon.asgi.App(request_type=WatchedRequest)
    app.req_options.strip_url_path_trailing_slash = True
    app.req_options.auto_parse_qs_csv = False
    app.req_options.keep_blank_qs_values = True
    for service in services:
        for path, methods in service.routes.items():
            app.add_route(service.mount + path, _resource(world, service, methods))
    _answer_errors_in_the_dialect(app, world, services)
    return app


def _resource(world: ApiWorld, service: Service, methods: Any) -> object:
    """Falcon wants an object with on_get, on_post, …: one per path, made from the route table."""
    responders: dict[str, Responder] = {}
    for method, handler in methods.items():
        responders[f"on_{method.lower()}"] = staticmethod(_responder(world, service, handler))
    if "GET" in methods and "HEAD" not in methods:
        responders["on_head"] = responders["on_get"]
    return type("Path", (), responders)()


def _responder(world: ApiWorld, service: Service, handler: Handler) -> Responder:
    serve = through_the_middleware(service, handler)

    async def respond(req: Any, resp: Any, **path: str) -> None:
        if service.exact and _names_nothing(req, service):
            raise falcon.HTTPNotFound()
        _give(await serve(_call(world, req, path)), req, resp)

    return respond


def _call(world: ApiWorld, req: Any, path: dict[str, str]) -> Call:
    async def read_body() -> bytes:
        length = req.content_length
        if length is not None and length > MAX_BODY:
            raise TooLarge(f"The request body is larger than {MAX_BODY} bytes.")
        parts: list[bytes] = []
        size = 0
        async for part in req.stream:
            size += len(part)
            if size > MAX_BODY:
                raise TooLarge(f"The request body is larger than {MAX_BODY} bytes.")
            parts.append(part)
        if req.cut_off:
            raise _cut_off()
        return b"".join(parts)

    async def stream_body() -> AsyncIterator[bytes]:
        async for part in req.stream:
            yield part
        if req.cut_off:
            raise _cut_off()

    return Call(
        world=world,
        method=req.method,
        url_path=req.path,
        path=path,
        query={name: value if isinstance(value, list) else [value] for name, value in req.params.items()},
        headers=req.headers_lower,
        request_id=f"req-{uuid.uuid4()}",
        read_body=read_body,
        stream_body=stream_body,
        content_length=req.content_length,
        slash=str(req.scope["path"]).endswith("/"),
        started=now(),
    )


def _names_nothing(req: Any, service: Service) -> bool:
    """The last part of the path is empty, and it is not the root or a version."""
    asked: str = req.scope["path"]
    return asked.endswith("/") and asked.rstrip("/").count("/") > service.mount.count("/") + 1


def _cut_off() -> BadRequest:
    """What came may look whole and be half of what was meant, so nothing is done."""
    return BadRequest("The connection was closed before the body was complete.")


def _give(answer: Answer, req: Any, resp: Any) -> None:
    resp.status = answer.status
    if answer.headers:
        resp.set_headers(answer.headers)
    if answer.stream is not None:
        resp.content_type = answer.content_type
        resp.stream = answer.stream
    elif answer.body is not None:
        resp.content_type = answer.content_type
        resp.data = answer.body if isinstance(answer.body, bytes) else msgspec.json.encode(answer.body)
    elif answer.status not in (204, 304):
        resp.data = b""


def _answer_errors_in_the_dialect(app: falcon.asgi.App[Any, Any], world: ApiWorld, services: Sequence[Service]) -> None:
    """A path or method that no route has gets the error body of the service it was meant for."""

    async def on_http_error(req: Any, resp: Any, error: falcon.HTTPError, params: Any, **_: Any) -> None:
        call = _call(world, req, {})
        status = int(str(error.status)[:3])
        if status == 405 and call.slash:
            status = 404  # …/volumes/ with the id forgotten
        service = next((s for s in services if req.path == s.mount or req.path.startswith(s.mount + "/")), None)
        if service is not None and service.exact and status == 405 and _names_nothing(req, service):
            status = 404
        message = "The resource could not be found." if status == 404 else str(error.description or error.title)
        if service is None:
            answer = Answer(status, identity_body(status, message, None, call.request_id))
        else:
            answer = error_answer(call, service, status, message, None)
        answer.headers["x-openstack-request-id"] = call.request_id
        if error.headers:
            answer.headers.update(dict(error.headers))
        _give(answer, req, resp)

    app.add_error_handler(falcon.HTTPError, on_http_error)
