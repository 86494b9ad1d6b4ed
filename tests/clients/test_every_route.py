"""Every route of every service of a running cloud, from the very tables it is served from, against requests that are wrong."""

import re
from collections.abc import Iterator

import pytest

from kilonova.api.call import Handler
from kilonova.api.compute.service import SERVICE as COMPUTE
from kilonova.api.identity.service import SERVICE as IDENTITY
from kilonova.api.image.service import SERVICE as IMAGE
from kilonova.api.network.service import SERVICE as NETWORK
from kilonova.api.placement.service import SERVICE as PLACEMENT
from kilonova.api.rights import Right
from kilonova.api.service import Service
from kilonova.api.volume.service import SERVICE as VOLUME
from tests.clients.http import Wire
from tests.cloud.running import Cloud

pytestmark = [pytest.mark.cloud, pytest.mark.wire, pytest.mark.usefixtures("nothing_left")]
EVERY_ONE = (IDENTITY, COMPUTE, IMAGE, NETWORK, VOLUME, PLACEMENT)
SERVICES = pytest.mark.parametrize("service", EVERY_ONE, ids=lambda service: service.name)
NOBODY = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"
NO_UUIDS = ("os-aggregates", "os-quota-sets", "os-services", "usage_audit_log")
"""What is known by a number or a time, and a project that identity knows: a UUID nobody has is a mistake there."""
EMPTY_ELSE = ("quota", "usage", "/placement/allocations/")
"""Limits of nobody are the usual ones, and who is not known has used nothing."""
NO_METAL = "/os-baremetal-nodes"
"""Refused to everybody, as by a Nova that has no Ironic."""
JSON = {"Content_Type": "application/json"}
GARBAGE = (b"", b"{", b"null", b"[]", b'"x"', b"\xff\xfe", b"{}", b'{"a": {}}', b"[" * 5000, b'{"\\u0000": "\\u0000"}', b"1e9999")


def routes(service: Service) -> Iterator[tuple[str, str, Handler]]:
    """(method, path with an unknown id in every gap, handler). The paths below a project are those without it, once more."""
    for path, methods in service.routes.items():
        if path.startswith("/v3/{project_id}") and service is VOLUME:
            continue
        for method, handler in methods.items():
            yield method, service.mount + re.sub(r"\{\w+\}", NOBODY, path), handler


def newest(service: Service) -> dict[str, str]:
    """The header that asks for the form of today."""
    return {"OpenStack_API_Version": f"{service.name} latest"}


def is_public(service: Service, handler: Handler) -> bool:
    return service.rights[handler] is Right.ANYONE


@SERVICES
def test_without_a_token_and_with_a_forged_one(cloud: Cloud, service: Service) -> None:
    wire = Wire(cloud.listen)
    expired = "gAAAAABnKJ_" + "A" * 170
    for method, path, handler in routes(service):
        if is_public(service, handler):
            continue
        for headers in ({}, {"X_Auth_Token": "nonsense"}, {"X_Auth_Token": expired}, {"X_Auth_Token": "x" * 5000}):
            answer = wire.send(method, path, b"{}" if method in ("POST", "PUT", "PATCH") else None, **JSON, **headers)
            assert answer.status == 401, (method, path, headers, answer)
            assert method == "HEAD" or answer.reason, (method, path)
            assert "WWW-Authenticate" in {name.title().replace("Www", "WWW") for name in answer.headers}


@SERVICES
def test_things_that_are_not_there(cloud: Cloud, token: str, service: Service) -> None:
    """An admin's request for an id nobody has is refused, or is a search that finds nothing; it never fails."""
    wire = Wire(cloud.listen)
    for method, path, _ in routes(service):
        if NOBODY in path and method in ("GET", "HEAD", "DELETE"):
            answer = wire.send(method, path, None, X_Auth_Token=token, **newest(service))
            expected = {404}
            expected |= {200, 202, 204} if any(noun in path for noun in EMPTY_ELSE) else set()
            expected |= {400} if any(noun in path for noun in NO_UUIDS) else set()
            expected |= {405} if service is PLACEMENT and method == "DELETE" else set()
            assert answer.status in expected, (method, path, answer)


@SERVICES
def test_garbage_bodies(cloud: Cloud, token: str, service: Service) -> None:
    wire = Wire(cloud.listen)
    for method, path, handler in routes(service):
        if method not in ("POST", "PUT", "PATCH") or (NOBODY not in path and is_public(service, handler)):
            continue
        for body in GARBAGE:
            if (path, body) == ("/image/v2/images", b"{}"):
                continue  # an image of which nothing is said yet: that is sound
            answer = wire.send(method, path, body, X_Auth_Token=token, **JSON, **newest(service))
            assert 400 <= answer.status < 500, (method, path, body[:40], answer)
            assert answer.reason, (method, path, body[:40])


@SERVICES
def test_methods_that_no_route_has(cloud: Cloud, token: str, service: Service) -> None:
    wire = Wire(cloud.listen)
    for path, methods in service.routes.items():
        for method in {"POST", "PUT", "PATCH", "DELETE", "TRACE", "PURGE"} - set(methods):
            url = service.mount + re.sub(r"\{\w+\}", NOBODY, path)
            answer = wire.send(method, url, b"{}", X_Auth_Token=token, **JSON)
            assert answer.status in (400, 404, 405), (method, url, answer)
            assert answer.reason, (method, url)


@SERVICES
def test_odd_queries(cloud: Cloud, token: str, service: Service) -> None:
    wire = Wire(cloud.listen)
    odd = (
        "limit=-1",
        "limit=x",
        "marker=" + NOBODY,
        "sort_key=%00",
        "name=%00",
        "%ff=%ff",
        "a=" + "b" * 40_000,
        "&" * 2000,
        "sort_dir=up",
    )
    for path, methods in service.routes.items():
        if "GET" in methods and "{" not in path:
            for query in odd:
                answer = wire.send("GET", f"{service.mount}{path}?{query}", None, X_Auth_Token=token, **newest(service))
                assert answer.status < 500 or NO_METAL in path, (path, query[:40], answer)
                assert answer.status < 400 or answer.reason, (path, query[:40])
