"""Every answer that is given in this process to a test of this folder is looked at here, whatever the test is about.

It has to fit the shape that `shapes/` has for its route and status; a refusal has to have the body of its service. What was
seen is counted: after a run of all tests of this folder each route must have had a request that succeeds and one that is refused,
or the run fails. (A part of the tests fails for no route.) See `watch`, which `conftest.py` uses, and `GuardOfRoutes`, a plugin
of pytest that `tests/conftest.py` registers: it adds up what the processes of xdist saw.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from kilonova.api.service import Service
from kilonova.sim.front_door import Answer, FrontDoor
from tests.api.cloud import present_services
from tests.api.shapes.notation import Shape, Version, misfits, version_of

SUCCEEDS, FAILS = "succeeds", "fails"
Seen = set[tuple[str, str]]
"""(``METHOD /mount/path/{gap}``, SUCCEEDS or FAILS)."""

HERE = Path(__file__).parent
seen: Seen = set()


class Route(NamedTuple):
    """`name` is ``METHOD /mount/path/{gap}``; `key` the same as the tables of shapes have it."""

    service: str
    name: str
    key: str


class WrongAnswer(AssertionError):
    """An answer that is not what its route promises."""


@contextmanager
def watch() -> Iterator[None]:
    """Looks at all that is asked of an application in this process: over httpx, or at the door of a simulated cloud."""
    plainly, at_the_door = httpx.ASGITransport.handle_async_request, FrontDoor.request

    async def looking(self: httpx.ASGITransport, request: httpx.Request) -> httpx.Response:
        answer = await plainly(self, request)
        look(request, answer, await answer.aread())
        return answer

    async def looking_at_the_door(self: FrontDoor, method: str, url: str, **known: Any) -> Answer:
        answer = await at_the_door(self, method, url, **known)
        request = httpx.Request(method, f"http://cloud.simulated{url}")
        look(request, httpx.Response(answer.status_code, headers=answer.headers), answer.content)
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx.ASGITransport, "handle_async_request", looking)
        patch.setattr(FrontDoor, "request", looking_at_the_door)
        yield


def look(request: httpx.Request, answer: httpx.Response, body: bytes) -> None:
    """Raises WrongAnswer; else the answer counts for its route. What is no route of ours is nobody's concern."""
    path = request.url.raw_path.decode().partition("?")[0]
    route = route_of(request.method, path)
    if route is None:
        return
    status = answer.status_code
    said = f"{request.method} {path}: {status} {body[:2000]!r}"
    wrong = list(_wrong(route, request, answer, body))
    if wrong:
        raise WrongAnswer(f"{said}\nis not what {route.key} promises (tests/api/shapes/{route.service}.py):\n" + "\n".join(wrong))
    if status < 400:
        seen.add((route.name, SUCCEEDS))
    elif status < 500 or status == 501:
        seen.add((route.name, FAILS))


def _wrong(route: Route, request: httpx.Request, answer: httpx.Response, body: bytes) -> Iterator[str]:
    status = answer.status_code
    chosen = route.service == "network" and "fields" in request.url.params
    """Neutron's clients may ask for some of the keys only."""
    shapes, error = _tables(route.service)
    shape = error(status) if status >= 400 else shapes.get(route.key, {}).get(status)
    if request.method == "HEAD":
        shape = None
    if shape is bytes:
        return
    if not body:
        value: object = None
    else:
        try:
            value = json.loads(body)
        except ValueError:
            yield "it is no JSON"
            return
    if shape is None and value is not None:
        yield f"no body is promised for {status}"
        return
    for misfit in misfits(value, shape, _version(answer)):
        if not (chosen and misfit.endswith(" is missing")):
            yield misfit


@cache
def _tables(service: str) -> tuple[dict[str, dict[int, Shape]], Any]:
    """(shapes by route and status, status → the shape of a refusal)."""
    table = import_module(f"tests.api.shapes.{service}")
    return table.SHAPES, table.error


def shapes_of(service: str) -> dict[str, dict[int, Shape]]:
    return _tables(service)[0]


def _version(answer: httpx.Response) -> Version:
    """The microversion that the answer says it is in; (0, 0) for a service without."""
    found = re.search(r"\d+\.\d+", answer.headers.get("openstack-api-version", ""))
    return version_of(found[0]) if found else (0, 0)


class GuardOfRoutes:
    """Fails a run of all tests of this folder when a route has no request that succeeds, or none that is refused.

    In a process of xdist it hands over what was seen there. `whole`: every file was collected, and nothing was left out of it.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._whole = not any("::" in argument for argument in config.args)
        self._without: list[str] = []

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self._whole = self._whole and not any(item.path.is_relative_to(HERE) for item in items)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        collected = {item.path for item in session.items}
        if session.items:
            self._whole = self._whole and collected.issuperset(HERE.rglob("test_*.py"))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        output = getattr(node, "workeroutput", {})
        self._whole = self._whole and output.get("all_of_api", False)
        seen.update((route, kind) for route, kind in output.get("routes", ()))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput |= {"routes": sorted(seen), "all_of_api": self._whole}
        elif self._whole and seen and session.exitstatus == pytest.ExitCode.OK:
            self._without = without_a_pair(seen)
            if self._without:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self._without:
            terminalreporter.write_line(f"A route lacks a test (see tests/api/answers.py): {line}", red=True)


def without_a_pair(found: Seen) -> list[str]:
    """What is missing, in words: requests that succeed or are refused, and excuses for what is there."""
    lines = []
    for route in sorted(all_routes()):
        for kind in (SUCCEEDS, FAILS):
            if (route, kind) in found and NEVER.get(route) == kind:
                lines.append(f"{route} {kind}: it needs no excuse any more")
            excused = NEVER.get(route) == kind
            if (route, kind) not in found and not excused:
                lines.append(f"{route}: no request of it {kind}")
    return lines


NEVER = {
    "GET /compute": FAILS,
    "GET /compute/v2": FAILS,
    "GET /compute/v2.1": FAILS,
    "GET /compute/v2.1/os-baremetal-nodes": SUCCEEDS,
    "GET /compute/v2.1/os-baremetal-nodes/{node_id}": SUCCEEDS,
    "GET /compute/v2.1/os-console-auth-tokens/{token}": SUCCEEDS,
    "GET /compute/v2.1/os-hosts/{host_name}/reboot": SUCCEEDS,
    "GET /compute/v2.1/os-hosts/{host_name}/shutdown": SUCCEEDS,
    "GET /compute/v2.1/os-hosts/{host_name}/startup": SUCCEEDS,
    "POST /compute/v2.1/os-aggregates/{aggregate_id}/images": SUCCEEDS,
    "DELETE /compute/v2.1/servers/{server_id}/migrations/{migration_id}": SUCCEEDS,
    "POST /compute/v2.1/servers/{server_id}/migrations/{migration_id}/action": SUCCEEDS,
    "GET /image": FAILS,
    "GET /image/v2": FAILS,
    "GET /image/versions": FAILS,
    "GET /network": FAILS,
    "GET /volume/v3": FAILS,
    "GET /placement": FAILS,
    "GET /volume": FAILS,
    "DELETE /compute/v2.1/images": SUCCEEDS,
    "DELETE /image/v2/images": SUCCEEDS,
    "DELETE /image/v2/stores/{store}/{image_id}": SUCCEEDS,
    "POST /image/v2/tasks": SUCCEEDS,
    "PUT /volume/v3/attachments/{attachment_id}": SUCCEEDS,
    **dict.fromkeys(
        (
            "POST /placement/resource_providers",
            "PUT /placement/resource_providers/{uuid}",
            "DELETE /placement/resource_providers/{uuid}",
            "PUT /placement/resource_providers/{uuid}/inventories",
            "POST /placement/resource_providers/{uuid}/inventories",
            "DELETE /placement/resource_providers/{uuid}/inventories",
            "PUT /placement/resource_providers/{uuid}/inventories/{resource_class}",
            "DELETE /placement/resource_providers/{uuid}/inventories/{resource_class}",
            "PUT /placement/resource_providers/{uuid}/aggregates",
            "PUT /placement/resource_providers/{uuid}/traits",
            "DELETE /placement/resource_providers/{uuid}/traits",
            "POST /placement/allocations",
            "PUT /placement/allocations/{consumer}",
            "DELETE /placement/allocations/{consumer}",
            "POST /placement/reshaper",
            "POST /placement/resource_classes",
            "PUT /placement/resource_classes/{name}",
            "DELETE /placement/resource_classes/{name}",
            "PUT /placement/traits/{name}",
            "DELETE /placement/traits/{name}",
        ),
        SUCCEEDS,
    ),
}
"""Documents of versions cannot be refused. What is refused to everybody, since this cloud has no such thing: bare metal, power of
hosts, a cache of images, live migrations; an image without an id; taking an image out of its only store; tasks of one's own;
connections of foreign hosts. Placement is read-only: 405 to whoever writes."""


def route_of(method: str, path: str) -> Route | None:
    for verb, pattern, route in _routes():
        if verb == method and pattern.fullmatch(path):
            return route
    return None


def all_routes() -> dict[str, Route]:
    """By name. Two paths that lead to the same function are one route: see `OTHER_NAMES`."""
    return {route.name: route for _, _, route in _routes()}


OTHER_NAMES = {"compute": ("/v2/", "/v2.1/"), "volume": ("/v3/{project_id}/", "/v3/")}
"""Compute's 2.1 by its older name, and volumes with the project in the path: the very same functions, see test_route_guard.py."""


@cache
def _routes() -> tuple[tuple[str, re.Pattern[str], Route], ...]:
    """Those with fewer gaps first: ``/servers/detail`` is no server."""
    found = [
        (service, path, method) for service in present_services() for path in service.routes for method in service.routes[path]
    ]
    found.sort(key=lambda one: one[1].count("{"))
    return tuple((method, _pattern(service, path), _route(service, method, path)) for service, path, method in found)


def _pattern(service: Service, path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(service.mount + path)) + "/?")


def _route(service: Service, method: str, path: str) -> Route:
    other, known = OTHER_NAMES.get(service.name, ("/", "/"))
    below = known + path.removeprefix(other) if path.startswith(other) else path
    below = (below if below in service.routes else path).removesuffix("/")
    return Route(service.name, f"{method} {service.mount}{below}", f"{method} {below or '/'}")
