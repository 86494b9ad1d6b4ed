"""No route without a request that succeeds and one that is refused: each names the test, and the test is there.

How the record is made: `routes_seen.py`.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

from kilonova.api.service import Service
from tests.api.cloud import SERVICES, present_services
from tests.api.routes_seen import known_routes, names

ROOT = Path(__file__).parent.parent.parent
OLD_NAME = "/compute/v2/"
"""2.1 by its older name: the very same functions, and one test that says so."""


@pytest.mark.parametrize("service", present_services((*SERVICES, "volume")), ids=lambda service: service.name)
def test_every_route_has_a_request_that_succeeds_and_one_that_fails(service: Service) -> None:
    known = known_routes()
    routes = [route for route in names(service) if OLD_NAME not in route]
    without = {route: sorted({"succeeds", "fails"} - set(known.get(route, {}))) for route in routes}
    excused = {route: why for route, why in NEVER.items() if route in routes}
    assert {route: missing for route, missing in without.items() if missing and missing != [excused.get(route)]} == {}
    assert [route for route, kind in excused.items() if kind in known.get(route, {})] == [], "no longer to be excused"


def test_the_record_names_tests_that_are_there() -> None:
    for route, found in known_routes().items():
        for test in found.values():
            file, _, name = test.partition("::")
            assert name in _tests(ROOT / file), f"{route}: {test} is gone; record anew, see routes_seen.py"


def test_the_record_names_no_route_that_is_gone() -> None:
    served = {route for service in present_services((*SERVICES, "volume")) for route in names(service)}
    assert set(known_routes()) <= served, "record anew, see routes_seen.py"


def test_the_old_name_of_compute_is_the_same() -> None:
    (compute,) = present_services(("compute",))
    for path, methods in compute.routes.items():
        if path.startswith("/v2.1/"):
            assert compute.routes[path.replace("/v2.1/", "/v2/", 1)] == methods


@cache
def _tests(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


NEVER = {
    "GET /compute": "fails",
    "GET /compute/v2": "fails",
    "GET /compute/v2.1": "fails",
    "GET /compute/v2.1/os-baremetal-nodes": "succeeds",
    "GET /compute/v2.1/os-baremetal-nodes/{node_id}": "succeeds",
    "GET /compute/v2.1/os-console-auth-tokens/{token}": "succeeds",
    "GET /compute/v2.1/os-hosts/{host_name}/reboot": "succeeds",
    "GET /compute/v2.1/os-hosts/{host_name}/shutdown": "succeeds",
    "GET /compute/v2.1/os-hosts/{host_name}/startup": "succeeds",
    "POST /compute/v2.1/os-aggregates/{aggregate_id}/images": "succeeds",
    "DELETE /compute/v2.1/servers/{server_id}/migrations/{migration_id}": "succeeds",
    "POST /compute/v2.1/servers/{server_id}/migrations/{migration_id}/action": "succeeds",
    "GET /image": "fails",
    "GET /network": "fails",
    "GET /identity": "fails",
    "GET /volume": "fails",
}
"""Documents of versions cannot be refused; and what is refused to everybody, since this cloud has no such thing."""
