"""Servers: what is asked for reaches the desk, and what comes back is what Nova's clients read."""

import base64
import hashlib
from typing import Any

import pytest

from kilonova.ledger.transaction import Transaction
from kilonova.model.server import Fault
from tests.api.compute.conftest import IMAGE, NETWORK, Compute

BODY = {"name": "one", "flavorRef": "1", "imageRef": IMAGE, "networks": "auto"}


async def test_create_answers_202_with_what_clients_need(compute: Compute) -> None:
    answer = await compute.send("POST", "/servers", {"server": {**BODY, "adminPass": "s3cret"}})
    assert answer.status_code == 202
    server = answer.json()["server"]
    assert set(server) == {"id", "links", "OS-DCF:diskConfig", "security_groups", "adminPass"}
    assert server["adminPass"] == "s3cret"
    assert answer.headers["location"] == server["links"][0]["href"] == f"http://cloud.test/compute/v2.1/servers/{server['id']}"
    assert answer.headers["openstack-api-version"] == "compute 2.104"
    assert answer.headers["x-compute-request-id"].startswith("req-")


async def test_the_wish_holds_everything_that_was_said(compute: Compute) -> None:
    data = base64.b64encode(b"#!/bin/sh").decode()
    fields = {
        **BODY,
        "networks": [{"uuid": NETWORK, "fixed_ip": "10.0.0.9", "tag": "nic"}, {"port": NETWORK}],
        "key_name": "mine",
        "user_data": data,
        "config_drive": "yes",
        "metadata": {"a": "b"},
        "min_count": "1",
        "max_count": 2,
        "availability_zone": "nova",
        "security_groups": [{"name": "web"}, {"name": "web"}],
        "description": "a box",
        "hostname": "box.example.org",
        "tags": ["x", "y"],
        "accessIPv4": "1.2.3.4",
        "accessIPv6": "fe80::1",
        "OS-DCF:diskConfig": "AUTO",
        "return_reservation_id": True,
    }
    answer = await compute.send(
        "POST", "/servers", {"server": fields}, headers={"Idempotency-Key": "k1", "traceparent": "00-a-b-01"}
    )
    assert answer.json() == {"reservation_id": "r-12345678"}
    wish = compute.desk.wishes[0]
    assert [(nic.network_id, nic.port_id, nic.fixed_ip, nic.tag) for nic in wish.networks or ()] == [
        (NETWORK, None, "10.0.0.9", "nic"),
        (None, NETWORK, None, None),
    ]
    assert (wish.user_data, wish.config_drive, wish.min_count, wish.max_count) == (data, True, 1, 2)
    assert (wish.security_groups, wish.tags, wish.hostname) == (("web",), ("x", "y"), "box.example.org")
    assert (wish.access_ipv4, wish.access_ipv6, wish.description) == ("1.2.3.4", "fe80::1", "a box")
    assert (wish.idempotency_key, wish.traceparent, wish.key_name) == ("k1", "00-a-b-01", "mine")
    assert len(wish.admin_password or "") == 12
    assert wish.arrived_at > 0


@pytest.mark.parametrize(("networks", "wanted"), [("none", ()), ("auto", None), ([], None)])
async def test_none_auto_and_nothing(compute: Compute, networks: Any, wanted: Any) -> None:
    assert (await compute.send("POST", "/servers", {"server": {**BODY, "networks": networks}})).status_code == 202
    assert compute.desk.wishes[0].networks == wanted


async def test_an_old_client_need_not_speak_of_networks_and_may_inject_files(compute: Compute) -> None:
    old = {key: value for key, value in BODY.items() if key != "networks"}
    files = [{"path": "/etc/motd", "contents": "aGk="}]
    answer = await compute.send("POST", "/servers", {"server": {**old, "personality": files}}, version="2.1")
    assert answer.status_code == 202, answer.text
    wish = compute.desk.wishes[0]
    assert (wish.networks, wish.personality, wish.description) == (None, (("/etc/motd", "aGk="),), "one")
    assert (await compute.send("POST", "/servers", {"server": old})).status_code == 400
    assert (await compute.send("POST", "/servers", {"server": {**BODY, "personality": files}})).status_code == 400


async def test_the_client_that_names_its_image_as_a_boot_disk(compute: Compute) -> None:
    disk = {"uuid": IMAGE, "boot_index": 0, "source_type": "image", "destination_type": "local", "delete_on_termination": True}
    asked = {"name": "one", "flavorRef": 1, "networks": "none", "block_device_mapping_v2": [disk]}
    assert (await compute.send("POST", "/servers", {"server": asked})).status_code == 202
    assert compute.desk.wishes[0].image_id == IMAGE
    volume = {**disk, "destination_type": "volume"}
    answer = await compute.send("POST", "/servers", {"server": {**asked, "block_device_mapping_v2": [volume]}})
    assert answer.status_code == 400
    assert "need to have a non-zero size" in answer.json()["badRequest"]["message"]


async def test_only_admins_name_a_host(compute: Compute) -> None:
    for fields in ({"host": "host-1"}, {"availability_zone": "nova:host-1"}, {"hypervisor_hostname": "host-1"}):
        body = {"server": {**BODY, **fields}}
        assert (await compute.send("POST", "/servers", body)).status_code == 403
        assert (await compute.admin("POST", "/servers", body)).status_code == 202
        assert compute.desk.wishes[-1].host == "host-1"
    assert compute.desk.wishes[1].availability_zone == "nova"


async def test_show_for_its_owner(compute: Compute) -> None:
    new = await compute.server(description="d", tags=["t"])
    server = (await compute.send("GET", f"/servers/{new}")).json()["server"]
    assert (server["status"], server["description"], server["tags"], server["hostId"]) == ("BUILD", "d", ["t"], "")
    assert server["flavor"] == {
        "vcpus": 1, "ram": 512, "disk": 1, "ephemeral": 0, "swap": 0, "original_name": "m1.tiny", "extra_specs": {},
    }  # fmt: skip
    assert server["image"]["id"] == IMAGE
    assert (server["progress"], server["OS-EXT-STS:vm_state"], server["created"]) == (0, "building", "1970-01-01T00:16:40Z")
    assert "OS-EXT-SRV-ATTR:host" not in server and "host_status" not in server and "fault" not in server


async def test_show_in_the_first_version(compute: Compute) -> None:
    new = await compute.server(description="d", tags=["t"])
    server = (await compute.send("GET", f"/servers/{new}", version="2.1")).json()["server"]
    later = "locked locked_reason description tags trusted_image_certificates server_groups pinned_availability_zone host_status"
    assert not set(later.split()) & set(server)
    assert server["flavor"] == {"id": "1", "links": [{"rel": "bookmark", "href": "http://cloud.test/compute/flavors/1"}]}
    assert not [key for key in server if key.startswith("OS-EXT-SRV-ATTR")]


async def test_show_for_an_admin_and_the_fault(compute: Compute) -> None:
    new = await compute.server()

    def break_it(books: Transaction) -> None:
        books.connection.exec_driver_sql("UPDATE servers SET host = 'host-1' WHERE id = ?", (new,))
        books.servers.fails(new, Fault(code=500, message="no room", created_at=5.0, details="host-1: full"))

    await compute.change(break_it)
    mine = (await compute.send("GET", f"/servers/{new}")).json()["server"]
    assert mine["fault"] == {"code": 500, "created": "1970-01-01T00:00:05Z", "message": "no room"}
    assert mine["hostId"] == hashlib.sha224((compute.project + "host-1").encode()).hexdigest()
    assert "host-1" not in str(mine)
    theirs = (await compute.admin("GET", f"/servers/{new}")).json()["server"]
    assert theirs["fault"]["details"] == "host-1: full"
    assert (theirs["OS-EXT-SRV-ATTR:host"], theirs["host_status"]) == ("host-1", "UP")


async def test_another_projects_server_is_not_there(compute: Compute) -> None:
    new = await compute.server()
    for method, body in (("GET", None), ("DELETE", None), ("PUT", {"server": {"name": "x"}})):
        answer = await compute.send(method, f"/servers/{new}", body, who=compute.stranger)
        assert answer.status_code == 404
        assert "itemNotFound" in answer.json()


async def test_rename_describe_and_delete(compute: Compute) -> None:
    new = await compute.server(description="old")
    answer = await compute.send("PUT", f"/servers/{new}", {"server": {"name": "two", "description": None, "hostname": "two"}})
    server = answer.json()["server"]
    assert (answer.status_code, server["name"], server["description"]) == (200, "two", None)
    assert server["OS-EXT-SRV-ATTR:hostname"] == "two"
    old = (await compute.send("PUT", f"/servers/{new}", {"server": {"name": "three"}}, version="2.1")).json()["server"]
    assert old["name"] == "three"
    assert not [key for key in old if key.startswith(("OS-EXT", "OS-SRV"))] and "key_name" not in old
    assert (await compute.send("DELETE", f"/servers/{new}")).status_code == 204
    assert (await compute.send("GET", f"/servers/{new}")).status_code == 404
    assert (await compute.send("DELETE", f"/servers/{new}")).status_code == 404


async def test_access_addresses_are_kept(compute: Compute) -> None:
    new = await compute.server(accessIPv4="9.9.9.9")
    assert (await compute.send("GET", f"/servers/{new}")).json()["server"]["accessIPv4"] == "9.9.9.9"
    answer = await compute.send("PUT", f"/servers/{new}", {"server": {"accessIPv4": "1.1.1.1", "accessIPv6": "::babe:202:202"}})
    assert (answer.json()["server"]["accessIPv4"], answer.json()["server"]["accessIPv6"]) == ("1.1.1.1", "::babe:202:202")


async def test_a_reader_may_look_and_not_touch(compute: Compute) -> None:
    token, _ = await compute.cloud.tenant("carol", "reader")
    assert (await compute.send("GET", "/servers", who=token)).status_code == 200
    assert (await compute.send("POST", "/servers", {"server": BODY}, who=token)).status_code == 403
    assert (await compute.cloud.send("GET", "/compute/v2.1/servers", None)).status_code == 401
