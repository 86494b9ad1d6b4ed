"""Host aggregates, and the availability zone they give their hosts."""

from typing import Any

import pytest

from tests.api.compute.conftest import Compute


async def aggregate(compute: Compute, name: str = "a", zone: str | None = None) -> dict[str, Any]:
    answer = await compute.admin("POST", "/os-aggregates", {"aggregate": {"name": name, "availability_zone": zone}})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["aggregate"]
    return found


async def act(compute: Compute, made: dict[str, Any], **action: Any) -> Any:
    return await compute.admin("POST", f"/os-aggregates/{made['id']}/action", action)


async def test_made_changed_deleted(compute: Compute) -> None:
    made = await aggregate(compute, " a ")
    assert made["name"] == "a" and "hosts" not in made and isinstance(made["id"], int) and len(made["uuid"]) == 36
    path = f"/os-aggregates/{made['id']}"
    shown = (await compute.admin("GET", path)).json()["aggregate"]
    assert (shown["hosts"], shown["metadata"], shown["availability_zone"], shown["deleted"]) == ([], {}, None, False)
    changed = (await compute.admin("PUT", path, {"aggregate": {"name": "b"}})).json()["aggregate"]
    assert changed["name"] == "b" and changed["updated_at"] is not None
    listed = (await compute.admin("GET", "/os-aggregates", version="2.40")).json()["aggregates"]
    assert [one["name"] for one in listed] == ["b"] and "uuid" not in listed[0]
    assert (await compute.admin("DELETE", path)).status_code == 200
    assert (await compute.admin("GET", path)).status_code == 404


async def test_its_zone_is_its_hosts_zone(compute: Compute) -> None:
    made = await aggregate(compute, zone="east")
    answer = await act(compute, made, add_host={"host": "host-1"})
    assert answer.json()["aggregate"]["hosts"] == ["host-1"]
    zones = (await compute.send("GET", "/os-availability-zone")).json()["availabilityZoneInfo"]
    assert [zone["zoneName"] for zone in zones] == ["east"]
    services = (await compute.admin("GET", "/os-services?binary=nova-compute")).json()["services"]
    assert services[0]["zone"] == "east"
    answer = await act(compute, made, set_metadata={"metadata": {"availability_zone": "west", "ssd": "true"}})
    assert answer.json()["aggregate"]["metadata"] == {"availability_zone": "west", "ssd": "true"}
    answer = await act(compute, made, set_metadata={"metadata": {"ssd": None}})
    assert answer.json()["aggregate"]["metadata"] == {"availability_zone": "west"}
    assert (await compute.admin("DELETE", f"/os-aggregates/{made['id']}")).status_code == 400, "it has a host"
    other = await aggregate(compute, "other", "north")
    assert (await act(compute, other, add_host={"host": "host-1"})).status_code == 409
    assert (await act(compute, made, add_host={"host": "host-1"})).status_code == 409
    assert (await act(compute, made, remove_host={"host": "host-1"})).json()["aggregate"]["hosts"] == []
    zones = (await compute.send("GET", "/os-availability-zone")).json()["availabilityZoneInfo"]
    assert [zone["zoneName"] for zone in zones] == ["nova"]


async def test_servers_do_not_change_their_zone(compute: Compute) -> None:
    made = await aggregate(compute, zone="east")
    plain = await aggregate(compute, "plain")
    server = await compute.server()

    def place(books: Any) -> None:
        books.connection.exec_driver_sql("UPDATE servers SET host = 'host-1' WHERE id = ?", (server,))

    await compute.change(place)
    assert (await act(compute, made, add_host={"host": "host-1"})).status_code == 409
    assert (await act(compute, plain, add_host={"host": "host-1"})).status_code == 200
    path = f"/os-aggregates/{plain['id']}"
    assert (await compute.admin("PUT", path, {"aggregate": {"availability_zone": "east"}})).status_code == 400
    assert (await compute.admin("PUT", path, {"aggregate": {"availability_zone": "nova"}})).status_code == 200
    assert (await act(compute, plain, remove_host={"host": "host-1"})).status_code == 200


WRONG: list[dict[str, Any]] = [
    {"name": ""},
    {"name": " "},
    {"name": "x" * 256},
    {"name": "a", "availability_zone": "a:b"},
    {"name": "a", "availability_zone": ""},
    {"availability_zone": "a"},
    {"name": "a", "colour": "red"},
]


@pytest.mark.parametrize("fields", WRONG)
async def test_no_aggregate(compute: Compute, fields: dict[str, Any]) -> None:
    assert (await compute.admin("POST", "/os-aggregates", {"aggregate": fields})).status_code == 400


async def test_what_is_refused(compute: Compute) -> None:
    made = await aggregate(compute)
    path = f"/os-aggregates/{made['id']}"
    again = {"aggregate": {"name": "a"}}
    assert (await compute.admin("POST", "/os-aggregates", again)).status_code == 409
    other = await aggregate(compute, "b")
    assert (await compute.admin("PUT", f"/os-aggregates/{other['id']}", again)).status_code == 409
    assert (await compute.admin("PUT", path, {"aggregate": {}})).status_code == 400
    assert (await act(compute, made, add_host={"host": "nobody"})).status_code == 404
    assert (await act(compute, made, remove_host={"host": "host-1"})).status_code == 404
    wrong: tuple[dict[str, Any], ...] = ({}, {"dance": {}}, {"add_host": {"host": "h"}, "remove_host": {"host": "h"}})
    for body in wrong:
        assert (await compute.admin("POST", path + "/action", body)).status_code == 400
    for method in ("GET", "DELETE"):
        assert (await compute.admin(method, "/os-aggregates/999")).status_code == 404
        assert (await compute.admin(method, "/os-aggregates/x")).status_code == 400
    for method, where in (("GET", "/os-aggregates"), ("GET", path), ("DELETE", path)):
        assert (await compute.send(method, where)).status_code == 403
    image = {"cache": [{"id": "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"}]}
    assert (await compute.admin("POST", path + "/images", image)).status_code == 501
    assert (await compute.admin("POST", path + "/images", {"cache": []})).status_code == 400
    assert (await compute.admin("POST", path + "/images", image, version="2.80")).status_code == 404
