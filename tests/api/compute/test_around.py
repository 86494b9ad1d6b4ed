"""What is around servers: usage, hosts as they once were listed, migrations, audit log, events, extensions, small facts."""

from typing import Any

import pytest

from kilonova.ledger.transaction import Transaction
from tests.api.compute.conftest import Compute

NOBODY = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"
OLD_USAGE = {"total_hours", "total_vcpus_usage", "total_memory_mb_usage", "total_local_gb_usage", "start", "stop", "tenant_id"}


async def running(compute: Compute, name: str = "one") -> str:
    """A server that was launched an hour ago, on host-1."""
    server = await compute.server(name)
    hour_ago = compute.cloud.world.now() - 3600

    def launch(books: Transaction) -> None:
        books.servers.runs(server, hour_ago)
        books.connection.exec_driver_sql("UPDATE servers SET host = 'host-1' WHERE id = ?", (server,))

    await compute.change(launch)
    return server


async def test_usage(compute: Compute) -> None:
    first, second = sorted([await running(compute), await running(compute, "two")])
    path = f"/os-simple-tenant-usage/{compute.project}"
    period = "start=2020-01-01T00:00:00&end=2100-01-01T00:00:00"
    usage = (await compute.send("GET", f"{path}?{period}")).json()["tenant_usage"]
    assert set(usage) == OLD_USAGE | {"server_usages"}
    assert 1.99 < usage["total_hours"] < 2.1 and 1000 < usage["total_memory_mb_usage"] < 1050
    assert [one["instance_id"] for one in usage["server_usages"]] == [first, second]
    assert usage["server_usages"][0]["state"] == "active" and usage["server_usages"][0]["ended_at"] is None
    page = (await compute.send("GET", f"{path}?{period}&limit=1")).json()
    link = page["tenant_usage_links"][0]["href"]
    assert [one["instance_id"] for one in (await compute.send("GET", link)).json()["tenant_usage"]["server_usages"]] == [second]
    every = (await compute.admin("GET", f"/os-simple-tenant-usage?{period}", version="2.39")).json()
    assert [set(one) for one in every["tenant_usages"]] == [OLD_USAGE]
    detailed = (await compute.admin("GET", f"/os-simple-tenant-usage?{period}&detailed=1")).json()["tenant_usages"]
    assert len(detailed[0]["server_usages"]) == 2
    long_ago = "start=2001-01-01T00:00:00&end=2002-01-01T00:00:00"
    assert (await compute.send("GET", f"{path}?{long_ago}")).json() == {"tenant_usage": {}}
    assert (await compute.send("GET", path)).status_code == 200, "of a moment, as in Nova"


async def test_no_usage(compute: Compute) -> None:
    path = f"/os-simple-tenant-usage/{compute.project}"
    for query in ("start=yesterday", "start=2020-01-01T00:00:00&end=2019-01-01T00:00:00", "start=2020-01-01T00:00:00&colour=1"):
        assert (await compute.send("GET", f"{path}?{query}")).status_code == 400, query
    assert (await compute.send("GET", f"{path}?start=2020-01-01T00:00:00&marker={NOBODY}")).status_code == 400
    assert (await compute.send("GET", f"{path}?start=2020-01-01T00:00:00", who=compute.stranger)).status_code == 403
    assert (await compute.send("GET", "/os-simple-tenant-usage?start=2020-01-01T00:00:00")).status_code == 403
    assert (await compute.admin("GET", "/os-simple-tenant-usage/?start=2020-01-01T00:00:00")).status_code == 404


async def test_hosts_until_2_42(compute: Compute) -> None:
    await running(compute)
    hosts = (await compute.admin("GET", "/os-hosts", version="2.42")).json()["hosts"]
    assert {"host_name": "host-1", "service": "compute", "zone": "nova"} in hosts
    assert (await compute.admin("GET", "/os-hosts?zone=none", version="2.1")).json() == {"hosts": []}
    rows = [row["resource"] for row in (await compute.admin("GET", "/os-hosts/host-1", version="2.1")).json()["host"]]
    assert [row["project"] for row in rows] == ["(total)", "(used_now)", "(used_max)", compute.project]
    assert (rows[0]["memory_mb"], rows[3]["memory_mb"]) == (16384, 512)
    off = await compute.admin("PUT", "/os-hosts/host-1", {"status": "disable"}, version="2.1")
    assert off.json() == {"host": "host-1", "status": "disabled"}
    assert (await compute.admin("GET", "/os-hosts", version="2.1")).json() == {"hosts": []}


async def test_hosts_refused(compute: Compute) -> None:
    async def put(host: str, body: Any) -> int:
        return (await compute.admin("PUT", f"/os-hosts/{host}", body, version="2.1")).status_code

    assert await put("host-1", {}) == 400 and await put("host-1", {"status": "maybe"}) == 400
    assert await put("host-1", {"status": "enable", "colour": 1}) == 400
    assert await put("host-1", {"maintenance_mode": "enable"}) == 501
    assert await put("nobody", {"status": "enable", "maintenance_mode": "enable"}) == 404
    for how in ("startup", "shutdown", "reboot"):
        assert (await compute.admin("GET", f"/os-hosts/host-1/{how}", version="2.1")).status_code == 501
        assert (await compute.admin("GET", f"/os-hosts/nobody/{how}", version="2.1")).status_code == 404
    assert (await compute.admin("GET", "/os-hosts/nobody", version="2.1")).status_code == 404
    assert (await compute.admin("GET", "/os-hosts", version="2.43")).status_code == 404
    assert (await compute.send("GET", "/os-hosts", version="2.1")).status_code == 403


async def test_migrations(compute: Compute) -> None:
    server = await running(compute)
    now = compute.cloud.world.now()

    def moves(books: Transaction) -> None:
        one = books.servers.get(server, None)
        live = books.migrations.begin(one, "live-migration", "host-2", None, now)
        books.migrations.set_status(live.id, "running", now + 1)
        books.migrations.begin(one, "resize", None, "2", now + 5)

    await compute.change(moves)
    newest = (await compute.admin("GET", "/os-migrations")).json()["migrations"]
    assert [(one["migration_type"], one["status"]) for one in newest] == [
        ("resize", "pre-migrating"),
        ("live-migration", "running"),
    ]
    assert "links" in newest[1] and newest[0]["project_id"] == compute.project and newest[0]["instance_uuid"] == server
    old = (await compute.admin("GET", "/os-migrations?nonsense=1", version="2.1")).json()["migrations"]
    assert not {"uuid", "migration_type", "links", "project_id"} & set(old[0])
    paged = (await compute.admin("GET", "/os-migrations?limit=1")).json()
    assert [one["id"] for one in (await compute.admin("GET", paged["migrations_links"][0]["href"])).json()["migrations"]] == [1]
    for query, found in (("status=running", 1), ("host=host-2", 1), ("instance_uuid=x", 0), ("migration_type=resize", 1)):
        assert len((await compute.admin("GET", f"/os-migrations?{query}")).json()["migrations"]) == found, query
    path = f"/servers/{server}/migrations"
    under_way = (await compute.admin("GET", path)).json()["migrations"]
    assert [one["server_uuid"] for one in under_way] == [server]
    assert (await compute.admin("GET", f"{path}/1")).json()["migration"]["status"] == "running"
    for missing in ("2", "9", "x", "99999999999999"):
        assert (await compute.admin("GET", f"{path}/{missing}")).status_code == 404
        assert (await compute.admin("DELETE", f"{path}/{missing}")).status_code == 404
        assert (await compute.admin("POST", f"{path}/{missing}/action", {"force_complete": None})).status_code == 404
    assert (await compute.admin("DELETE", f"{path}/1")).status_code == 501
    assert (await compute.admin("POST", f"{path}/1/action", {"force_complete": None})).status_code == 501
    assert (await compute.admin("POST", f"{path}/1/action", {"dance": None})).status_code == 400
    assert (await compute.admin("GET", path, version="2.22")).status_code == 404
    assert (await compute.admin("GET", f"/servers/{NOBODY}/migrations")).status_code == 404


@pytest.mark.parametrize(
    ("query", "version"),
    [
        ("nonsense=1", "2.59"),
        ("user_id=u", "2.79"),
        ("marker=nobody", "2.104"),
        ("limit=x", "2.104"),
        ("changes-since=x", "2.104"),
        ("changes-since=2030-01-01T00:00:00Z&changes-before=2029-01-01T00:00:00Z", "2.66"),
    ],
)
async def test_no_question_about_migrations(compute: Compute, query: str, version: str) -> None:
    assert (await compute.admin("GET", f"/os-migrations?{query}", version=version)).status_code == 400
    assert (await compute.send("GET", "/os-migrations")).status_code == 403


async def test_audit_log(compute: Compute) -> None:
    log = (await compute.admin("GET", "/os-instance_usage_audit_log")).json()["instance_usage_audit_logs"]
    assert (log["num_hosts"], log["hosts_not_run"], log["log"]) == (1, ["host-1"], {})
    past = (await compute.admin("GET", "/os-instance_usage_audit_log/2024-01-15%2010:00:00")).json()["instance_usage_audit_log"]
    assert (past["period_beginning"], past["period_ending"]) == ("2023-12-01 00:00:00", "2024-01-01 00:00:00")
    for wrong in ("yesterday", "0001-01-01%2000:00:00", "2024-13-01%2000:00:00"):
        assert (await compute.admin("GET", f"/os-instance_usage_audit_log/{wrong}")).status_code == 400
    assert (await compute.send("GET", "/os-instance_usage_audit_log")).status_code == 403
    assert (await compute.admin("GET", "/os-instance_usage_audit_log?colour=red")).status_code == 400


async def test_external_events(compute: Compute) -> None:
    placed, homeless = await running(compute), await compute.server("two")

    async def tell(*events: dict[str, str], version: str = "2.104") -> Any:
        return await compute.admin("POST", "/os-server-external-events", {"events": list(events)}, version=version)

    fine = await tell({"name": "network-changed", "server_uuid": placed, "status": "completed", "tag": "t"})
    assert (fine.status_code, fine.json()["events"][0]["code"]) == (200, 200)
    mixed = await tell(
        {"name": "network-changed", "server_uuid": placed},
        {"name": "network-changed", "server_uuid": NOBODY},
        {"name": "volume-extended", "server_uuid": placed},
        {"name": "network-vif-plugged", "server_uuid": homeless},
    )
    assert mixed.status_code == 207 and [event["code"] for event in mixed.json()["events"]] == [200, 404, 400, 422]
    assert (await tell({"name": "volume-extended", "server_uuid": placed}, version="2.50")).status_code == 400
    assert (await tell({"name": "rain", "server_uuid": placed})).status_code == 400
    assert (await tell({"name": "network-changed", "server_uuid": "x"})).status_code == 400
    assert (await tell()).status_code == 400
    assert (await compute.send("POST", "/os-server-external-events", {"events": []})).status_code == 403


async def test_extensions(compute: Compute) -> None:
    listed = (await compute.send("GET", "/extensions")).json()["extensions"]
    assert {"os-hosts", "os-consoles", "OS-DCF"} <= {one["alias"] for one in listed}
    assert (await compute.send("GET", "/extensions/os-hosts")).json()["extension"]["name"] == "Hosts"
    assert (await compute.send("GET", "/extensions/os-nothing")).status_code == 404


async def test_small_facts(compute: Compute) -> None:
    server = await compute.server()
    assert (await compute.send("GET", f"/servers/{server}/os-server-password")).json() == {"password": ""}
    assert (await compute.send("DELETE", f"/servers/{server}/os-server-password")).status_code == 204
    assert (await compute.send("GET", f"/servers/{server}/topology")).json() == {"nodes": [], "pagesize_kb": None}
    assert (await compute.send("GET", f"/servers/{server}/topology", version="2.77")).status_code == 404
    for method, path in (("GET", "os-server-password"), ("DELETE", "os-server-password"), ("GET", "topology")):
        assert (await compute.send(method, f"/servers/{NOBODY}/{path}")).status_code == 404
        assert (await compute.send(method, f"/servers/{server}/{path}", who=compute.stranger)).status_code == 404
    assert (await compute.admin("GET", "/os-console-auth-tokens/t")).status_code == 404
    assert (await compute.send("GET", "/os-console-auth-tokens/t")).status_code == 403


async def test_an_empty_id_is_not_the_list(compute: Compute) -> None:
    for method, path in (("GET", "/servers/"), ("DELETE", "/os-security-groups/"), ("GET", "/os-keypairs/")):
        assert (await compute.send(method, path, version="2.1")).status_code == 404, (method, path)
    assert (await compute.cloud.get("/compute/v2.1/")).status_code == 200


async def test_the_zone_a_server_is_bound_to(compute: Compute) -> None:
    server = await compute.server(availability_zone="nova")
    path = f"/servers/{server}"

    async def pin(zone: str | None, version: str = "2.104") -> Any:
        return await compute.send("PUT", path, {"server": {"pinned_availability_zone": zone}}, version=version)

    assert (await compute.send("GET", path)).json()["server"]["pinned_availability_zone"] == "nova"
    assert (await pin("nova")).status_code == 200 and (await pin("east")).status_code == 409
    assert (await pin(None)).json()["server"]["pinned_availability_zone"] is None
    assert (await pin(None)).status_code == 200 and (await pin("east")).status_code == 409
    assert (await pin("nova", "2.103")).status_code == 400


async def test_disk_config_is_kept(compute: Compute) -> None:
    server = await compute.server(**{"OS-DCF:diskConfig": "AUTO"})
    assert (await compute.send("GET", f"/servers/{server}")).json()["server"]["OS-DCF:diskConfig"] == "AUTO"
    changed = await compute.send("PUT", f"/servers/{server}", {"server": {"OS-DCF:diskConfig": "MANUAL"}})
    assert changed.json()["server"]["OS-DCF:diskConfig"] == "MANUAL"


async def test_filters_that_came_later(compute: Compute) -> None:
    await running(compute, "up")
    await compute.server("new", key_name="k")

    async def found(query: str, version: str = "2.104", who: str | None = None) -> list[str]:
        answer = await compute.send("GET", f"/servers?{query}", version=version, who=who)
        assert answer.status_code == 200, answer.text
        return [server["name"] for server in answer.json()["servers"]]

    admin = compute.cloud.admin_token
    assert await found("power_state=1") == ["up"] and await found("task_state=scheduling") == ["new"]
    assert await found("progress=100") == ["up"] and await found("locked=true") == []
    assert await found("power_state=1", "2.82") == ["new", "up"], "it meant nothing to non-admins"
    assert await found("key_name=^k") == ["new"] and await found("hostname=^up$") == ["up"]
    everywhere = "all_tenants=1&"
    assert await found(everywhere + "host=host-1", who=admin) == ["up"] and await found(everywhere + "node=host", who=admin) == [
        "up"
    ]
    assert await found(everywhere + "kernel_id=x", who=admin) == []
    assert await found(everywhere + "root_device_name=vda&sort_key=display_name&sort_dir=asc", who=admin) == ["new", "up"]
    assert (await compute.admin("GET", "/servers?metadata=x")).status_code == 400
    assert (await compute.send("GET", "/servers?sort_key=memory_mb")).status_code == 400
    assert (await compute.send("GET", "/servers?sort_key=memory_mb", version="2.74")).status_code == 200


async def test_flavors_since_2_102(compute: Compute) -> None:
    assert [f["name"] for f in (await compute.send("GET", "/flavors?name=^m1.t")).json()["flavors"]] == ["m1.tiny"]
    assert len((await compute.send("GET", "/flavors?name=^m1.t", version="2.101")).json()["flavors"]) == 2
    new, old = [(await compute.send("GET", "/flavors/1", version=version)).json()["flavor"] for version in ("2.102", "2.101")]
    assert set(old) - set(new) == {"rxtx_factor", "OS-FLV-DISABLED:disabled"}
    fields = {"name": "f", "ram": 1, "vcpus": 1, "disk": 0, "rxtx_factor": 2.0}
    assert (await compute.admin("POST", "/flavors", {"flavor": fields})).status_code == 400
    assert (await compute.admin("POST", "/flavors", {"flavor": fields}, version="2.101")).json()["flavor"]["rxtx_factor"] == 2.0
    assert (await compute.send("GET", "/flavors?name=(")).status_code == 400
