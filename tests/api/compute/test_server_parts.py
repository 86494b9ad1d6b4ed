"""Addresses, metadata, tags, actions and their history."""

import hashlib
from typing import Any

import pytest

from kilonova.ledger.transaction import Transaction
from kilonova.model.span import Span
from tests.api.compute.conftest import Compute


async def test_addresses(compute: Compute) -> None:
    new = await compute.server()
    assert (await compute.send("GET", f"/servers/{new}/ips")).json() == {"addresses": {}}
    assert (await compute.send("GET", f"/servers/{new}/ips/nowhere")).status_code == 404
    assert (await compute.send("GET", "/servers/none/ips")).status_code == 404


async def test_metadata(compute: Compute) -> None:
    path = f"/servers/{await compute.server(metadata={'a': '1'})}/metadata"
    assert (await compute.send("GET", path)).json() == {"metadata": {"a": "1"}}
    assert (await compute.send("POST", path, {"metadata": {"b": "2"}})).json() == {"metadata": {"a": "1", "b": "2"}}
    assert (await compute.send("PUT", path + "/c", {"meta": {"c": "3"}})).json() == {"meta": {"c": "3"}}
    assert (await compute.send("GET", path + "/c")).json() == {"meta": {"c": "3"}}
    assert (await compute.send("DELETE", path + "/c")).status_code == 204
    assert (await compute.send("DELETE", path + "/c")).status_code == 404
    assert (await compute.send("GET", path + "/c")).status_code == 404
    assert (await compute.send("PUT", path + "/c", {"meta": {"d": "3"}})).status_code == 400
    assert (await compute.send("PUT", path + "/c", {"meta": {}})).status_code == 400
    assert (await compute.send("PUT", path, {"metadata": {}})).json() == {"metadata": {}}
    assert (await compute.send("GET", path, who=compute.stranger)).status_code == 404


async def test_metadata_has_a_quota(compute: Compute) -> None:
    path = f"/servers/{await compute.server()}/metadata"
    await compute.admin("PUT", f"/os-quota-sets/{compute.project}", {"quota_set": {"metadata_items": 1}})
    assert (await compute.send("POST", path, {"metadata": {"a": "1"}})).status_code == 200
    answer = await compute.send("POST", path, {"metadata": {"b": "1"}})
    assert (answer.status_code, answer.json()["forbidden"]["message"]) == (403, "Maximum number of metadata items exceeds 1")


async def test_tags(compute: Compute) -> None:
    path = f"/servers/{await compute.server()}/tags"
    added = await compute.send("PUT", path + "/a")
    assert (added.status_code, added.headers["location"].endswith("/tags/a")) == (201, True)
    assert (await compute.send("PUT", path + "/a")).status_code == 204
    assert (await compute.send("GET", path + "/a")).status_code == 204
    assert (await compute.send("GET", path + "/b")).status_code == 404
    assert (await compute.send("PUT", path, {"tags": ["x", "y", "x"]})).json() == {"tags": ["x", "y"]}
    assert (await compute.send("GET", path)).json() == {"tags": ["x", "y"]}
    assert (await compute.send("DELETE", path + "/x")).status_code == 204
    assert (await compute.send("DELETE", path + "/x")).status_code == 404
    assert (await compute.send("DELETE", path)).status_code == 204
    assert (await compute.send("PUT", path, {"tags": ["a,b"]})).status_code == 400
    assert (await compute.send("PUT", path + "/" + "x" * 61)).status_code == 400
    assert (await compute.send("GET", path, version="2.25")).status_code == 404


async def test_console_output(compute: Compute) -> None:
    new = await compute.server()
    path = f"/servers/{new}/action"
    assert (await compute.send("POST", path, {"os-getConsoleOutput": {}})).status_code == 409
    await compute.change(lambda books: books.connection.exec_driver_sql("UPDATE servers SET host = 'host-1'"))
    for argument in ({"length": 10}, {"length": "7"}, {"length": -1}, {}, None):
        answer = await compute.send("POST", path, {"os-getConsoleOutput": argument})
        assert (answer.status_code, answer.json()) == (200, {"output": "login:"})
    assert compute.desk.lines == [10, 7, None, None, None]
    assert (await compute.send("POST", path, {"os-getConsoleOutput": {"length": -2}})).status_code == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"fly": None}, 400),
        ({}, 400),
        ({"reboot": {}, "os-stop": None}, 400),
        ({"os-getVNCConsole": None}, 501),
        ({"shelve": None}, 409),
    ],
)
async def test_other_actions(compute: Compute, body: Any, status: int) -> None:
    new = await compute.server()
    assert (await compute.send("POST", f"/servers/{new}/action", body)).status_code == status


async def test_an_action_of_no_server(compute: Compute) -> None:
    assert (await compute.send("POST", "/servers/none/action", {"shelve": None})).status_code == 404


async def test_history(compute: Compute) -> None:
    new = await compute.server()

    def begin(books: Transaction) -> None:
        books.connection.exec_driver_sql(
            "INSERT INTO actions (server_id, request_id, action, user_id, project_id, started_at, updated_at, traceparent,"
            " ordered, attempt) VALUES (?, 'req-1', 'create', 'u', 'p', 10.0, 12.0, '', X'90', 1)",
            (new,),
        )
        span = Span(step=6, name="assemble_disks", place="compute", started_at=11.0, work=0.5, outcome="failed", host="host-1")
        books.actions.carried(new, 1, [span])

    await compute.change(begin)
    path = f"/servers/{new}/os-instance-actions"
    action = (await compute.send("GET", path)).json()["instanceActions"][0]
    assert (action["action"], action["request_id"], action["instance_uuid"]) == ("create", "req-1", new)
    assert (action["start_time"], action["updated_at"]) == ("1970-01-01T00:00:10.000000", "1970-01-01T00:00:12.000000")
    assert "updated_at" not in (await compute.send("GET", path, version="2.57")).json()["instanceActions"][0]
    assert (await compute.send("GET", path + "?changes-since=1970-01-01T00:00:13Z")).json() == {"instanceActions": []}
    assert (await compute.send("GET", path + "?limit=1")).json()["links"][0]["rel"] == "next"
    assert (await compute.send("GET", path + "?marker=none")).status_code == 400
    shown = (await compute.send("GET", path + "/req-1")).json()["instanceAction"]
    event = {
        "event": "compute_assemble_disks",
        "start_time": "1970-01-01T00:00:11.000000",
        "finish_time": "1970-01-01T00:00:11.500000",
        "result": "Error",
        "hostId": hashlib.sha224((compute.project + "host-1").encode()).hexdigest(),
        "details": None,
    }
    assert shown["events"] == [event]
    theirs = (await compute.admin("GET", path + "/req-1")).json()["instanceAction"]["events"]
    assert theirs == [{**event, "host": "host-1", "traceback": None}]
    older = (await compute.send("GET", path + "/req-1", version="2.51")).json()["instanceAction"]["events"]
    assert set(older[0]) == {"event", "start_time", "finish_time", "result"}
    assert (await compute.send("GET", path + "/req-2")).status_code == 404
    assert (await compute.send("GET", path, who=compute.stranger)).status_code == 404
    await compute.send("DELETE", f"/servers/{new}")
    assert (await compute.send("GET", path + "/req-1")).status_code == 200
    assert (await compute.send("GET", path, who=compute.stranger)).status_code == 404
    assert (await compute.send("GET", path, version="2.20")).status_code == 404


async def test_only_an_admin_takes_an_admins_lock_off(compute: Compute) -> None:
    path = f"/servers/{await compute.server()}/action"
    assert (await compute.admin("POST", path, {"lock": None})).status_code == 202
    assert (await compute.send("POST", path, {"unlock": None})).status_code == 403
    assert (await compute.admin("POST", path, {"unlock": None})).status_code == 202
    assert (await compute.send("POST", path, {"lock": None})).status_code == 202
    assert (await compute.send("POST", path, {"unlock": None})).status_code == 202


async def test_a_locked_server_obeys_admins_only(compute: Compute) -> None:
    new = await compute.server()
    path = f"/servers/{new}/action"
    assert (await compute.send("POST", path, {"lock": {"locked_reason": "mine"}})).status_code == 202
    server = (await compute.send("GET", f"/servers/{new}")).json()["server"]
    assert (server["locked"], server["locked_reason"]) == (True, "mine")
    answer = await compute.send("DELETE", f"/servers/{new}")
    assert (answer.status_code, answer.json()["conflictingRequest"]["message"]) == (409, f"Instance {new} is locked")
    assert (await compute.send("POST", path, {"shelve": None})).status_code == 409
    assert (await compute.admin("POST", path, {"os-getVNCConsole": None})).status_code == 501
    assert (await compute.send("POST", path, {"unlock": None})).status_code == 202
    assert (await compute.send("POST", path, {"lock": {"colour": 1}})).status_code == 400
    assert (await compute.send("POST", path, {"lock": {"colour": 1}}, version="2.72")).status_code == 202
    assert (await compute.admin("DELETE", f"/servers/{new}")).status_code == 204
