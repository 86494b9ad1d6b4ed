"""Placement's microversions: read from a header, checked, told back; what is there only since one; errors as each has them."""

import re
from functools import wraps

from kilonova.api.call import Answer, Call, Handler
from kilonova.api.errors import phrase
from kilonova.errors import BadRequest, NotAcceptable, NotFound

OLDEST, NEWEST = (1, 0), (1, 39)
_NUMBER = re.compile(r"([1-9]\d{0,8})\.(0|[1-9]\d{0,8})")
UNDEFINED = "placement.undefined_code"


async def root(call: Call) -> Answer:
    """GET /placement: no token needed."""
    least, most = (f"{major}.{minor}" for major, minor in (OLDEST, NEWEST))
    version = {"id": "v1.0", "min_version": least, "max_version": most, "status": "CURRENT"}
    return Answer(200, {"versions": [{**version, "links": [{"rel": "self", "href": ""}]}]})


def negotiate(call: Call) -> None:
    """Sets `call.version`. Raises BadRequest for what is no version, NotAcceptable for one that is not spoken here."""
    wanted = None
    for part in call.headers.get("openstack-api-version", "").split(","):
        service, _, version = part.strip().partition(" ")
        if service.lower() == "placement":
            wanted = version.strip()
    call.version = _agreed(wanted)


def _agreed(wanted: str | None) -> tuple[int, int]:
    if not wanted:
        return OLDEST
    if wanted == "latest":
        return NEWEST
    match = _NUMBER.fullmatch(wanted)
    if match is None:
        raise BadRequest(f"Invalid version string: {wanted[:40]}")
    version = int(match[1]), int(match[2])
    if not OLDEST <= version <= NEWEST:
        raise NotAcceptable(f"Unacceptable version header: {wanted}. 1.0 to 1.39 are spoken.")
    return version


def finish(call: Call, answer: Answer) -> None:
    """Every answer says which version it is in; errors have a code since 1.23."""
    answer.headers["Vary"] = "openstack-api-version"
    major, minor = call.version
    if major:
        answer.headers["OpenStack-API-Version"] = f"placement {major}.{minor}"
    if isinstance(answer.body, dict) and "errors" in answer.body and answer.status >= 400:
        for error in answer.body["errors"]:
            if answer.status == 406:
                error.update(min_version="1.0", max_version="1.39")
            elif call.version < (1, 23):
                error.pop("code", None)


def error_body(status: int, message: str, kind: str | None, request_id: str) -> object:
    """`kind` is Placement's code where it has one."""
    error = {"status": status, "title": phrase(status), "detail": message, "code": kind or UNDEFINED, "request_id": request_id}
    return {"errors": [error]}


def since(minor: int, handler: Handler) -> Handler:
    """`handler`, for clients of 1.`minor` and newer; for others the path is not there."""

    @wraps(handler)
    async def spoken(call: Call) -> Answer:
        if call.version[1] < minor:
            raise NotFound()
        return await handler(call)

    return spoken
