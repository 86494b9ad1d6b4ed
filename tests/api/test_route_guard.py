"""The guard itself: that it sees what does not fit, and which routes have no request; what it looks at is in `answers.py`."""

from typing import Any

import httpx
import pytest

from tests.api.answers import (
    FAILS,
    NEVER,
    SUCCEEDS,
    WrongAnswer,
    all_routes,
    look,
    route_of,
    seen,
    shapes_of,
    without_a_pair,
)
from tests.api.cloud import SERVICES, CloudApi, present_services
from tests.api.shapes.notation import UUID, Map, OneOf, Open, misfits

SHAPE = {"id": UUID, "name": str | None, "size@2.5": int, "old@-2.4": bool, "more?": [OneOf(1, "x")]}
GOOD = {"id": "11111111-2222-4333-8444-555555555555", "name": None, "size": 1}


def test_what_fits() -> None:
    assert list(misfits(GOOD | {"more": [1, "x"]}, SHAPE, (2, 5))) == []
    assert list(misfits({"id": GOOD["id"], "name": "n", "old": False}, SHAPE, (2, 4))) == []
    assert list(misfits({"a": 1, "b": "two"}, Open({"a": int}, rest=str))) == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (GOOD | {"surprise": 1}, ".surprise is no part of it"),
        ({"name": None, "size": 1, "id": "x"}, ".id is 'x'"),
        (GOOD | {"size": True}, ".size is True"),
        (GOOD | {"size": "1"}, ".size is '1'"),
        (GOOD | {"old": True}, ".old is no part of it"),
        ({"id": GOOD["id"], "size": 1}, ".name is missing"),
        (GOOD | {"more": [2]}, ".more[0] is 2"),
        ([GOOD], "it is no object"),
    ],
)
def test_what_does_not_fit(value: Any, said: str) -> None:
    (misfit,) = misfits(value, SHAPE, (2, 5))
    assert misfit.startswith(said)
    assert (
        list(misfits({}, Map(str, at_least=1))) and list(misfits({"a": 1}, Map(str))) and list(misfits({"a": 1}, Map(int, "b")))
    )


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"keypairs": [{"keypair": {"name": "n"}}]}),
        (200, None),
        (204, {"keypairs": []}),
        (404, {"itemNotFound": {"code": 400, "message": "no"}}),
        (400, {"error": "no"}),
    ],
)
def test_an_answer_that_breaks_its_promise_is_an_error(status: int, body: Any) -> None:
    request = httpx.Request("GET", "http://cloud.test/compute/v2.1/os-keypairs")
    answer = httpx.Response(status, json=body) if body is not None else httpx.Response(status)
    with pytest.raises(WrongAnswer, match=r"GET /v2.1/os-keypairs promises"):
        look(request, answer, answer.content)


async def test_what_is_asked_in_a_test_is_looked_at(cloud_api: CloudApi) -> None:
    assert (await cloud_api.get("/identity/v3/regions/RegionOne")).status_code == 200
    assert (await cloud_api.get("/identity/v3/regions/nowhere")).status_code == 404
    assert {("GET /identity/v3/regions/{region_id}", SUCCEEDS), ("GET /identity/v3/regions/{region_id}", FAILS)} <= seen


def test_a_route_without_a_pair_is_named() -> None:
    every = {(route, kind) for route in all_routes() for kind in (SUCCEEDS, FAILS) if NEVER.get(route) != kind}
    assert without_a_pair(every) == []
    route = "PUT /volume/v3/volumes/{volume_id}"
    assert without_a_pair(every - {(route, FAILS)}) == [f"{route}: no request of it {FAILS}"]
    assert without_a_pair(every | {("GET /volume", FAILS)}) == [f"GET /volume {FAILS}: it needs no excuse any more"]


def test_shapes_and_excuses_are_of_routes_that_are_there() -> None:
    routes = all_routes()
    keys = {(route.service, route.key) for route in routes.values()}
    assert [(name, key) for name in SERVICES for key in shapes_of(name) if (name, key) not in keys] == []
    assert set(NEVER) <= set(routes)


def test_another_name_of_a_path_has_the_same_methods() -> None:
    for service in present_services(("compute", "volume")):
        for path, methods in service.routes.items():
            for method in methods:
                found = route_of(method, service.mount + path.replace("{", "").replace("}", ""))
                assert found is not None and found.key.split(" ")[0] == method
    (compute,) = present_services(("compute",))
    for path, methods in compute.routes.items():
        if path.startswith("/v2.1/"):
            assert compute.routes[path.replace("/v2.1/", "/v2/", 1)] == methods
    (volume,) = present_services(("volume",))
    for path, methods in volume.routes.items():
        if path.startswith("/v3/") and not path.startswith("/v3/{project_id}/"):
            assert volume.routes[path.replace("/v3/", "/v3/{project_id}/", 1)].keys() == methods.keys()
