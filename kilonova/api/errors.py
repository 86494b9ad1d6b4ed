"""The one table: domain error → HTTP status, and the bodies in which each service's clients expect an error."""

from http import HTTPStatus

from kilonova import errors

STATUS: dict[type[errors.KilonovaError], int] = {
    errors.BadRequest: 400,
    errors.NotAuthenticated: 401,
    errors.Forbidden: 403,
    errors.QuotaExceeded: 403,
    errors.NotFound: 404,
    errors.NotAcceptable: 406,
    errors.Conflict: 409,
    errors.NoMoreAddresses: 409,
    errors.Gone: 410,
    errors.PreconditionFailed: 412,
    errors.TooLarge: 413,
    errors.UnsupportedMediaType: 415,
    errors.Unsupported: 501,
    errors.Unavailable: 503,
    errors.BuildFailed: 503,
    errors.TimedOut: 503,
    errors.KilonovaError: 500,
}

_COMPUTE_KEYS = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    406: "notAcceptable",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}


def status_of(error: errors.KilonovaError) -> int:
    """The HTTP status of a domain error; of its nearest ancestor when it has none of its own."""
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return 500


def phrase(status: int) -> str:
    return HTTPStatus(status).phrase


def compute_body(status: int, message: str, kind: str | None, request_id: str) -> object:
    """Nova's and Cinder's: one key that names the class of error."""
    return {kind or _COMPUTE_KEYS.get(status, "computeFault"): {"code": status, "message": message}}


def volume_body(status: int, message: str, kind: str | None, request_id: str) -> object:
    """Cinder's: as Nova's, and one that is over its quota is told that waiting does not help."""
    name = kind or _COMPUTE_KEYS.get(status, "computeFault")
    return {name: {"code": status, "message": message, **({"retryAfter": "0"} if status == 413 else {})}}


def identity_body(status: int, message: str, kind: str | None, request_id: str) -> object:
    """Keystone's."""
    return {"error": {"code": status, "message": message, "title": kind or phrase(status)}}


def image_body(status: int, message: str, kind: str | None, request_id: str) -> object:
    """Glance's, in the JSON form that clients read."""
    return {"code": status, "title": kind or phrase(status), "message": message}


def network_body(status: int, message: str, kind: str | None, request_id: str) -> object:
    """Neutron's; `type` is what SDKs tell one 409 from another by."""
    return {"NeutronError": {"type": kind or f"HTTP{phrase(status).replace(' ', '')}", "message": message, "detail": ""}}
