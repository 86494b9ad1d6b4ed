"""Lists of servers: filters, order, pages."""

from tests.api.compute.conftest import IMAGE, Compute


async def names(compute: Compute, query: str, **more: str) -> list[str]:
    answer = await compute.send("GET", f"/servers?{query}", **more)
    assert answer.status_code == 200, answer.text
    return [server["name"] for server in answer.json()["servers"]]


async def three(compute: Compute) -> None:
    for name in ("red", "green", "blue"):
        await compute.server(name, tags=[name, "colour"])


async def test_short_and_long(compute: Compute) -> None:
    await three(compute)
    short = (await compute.send("GET", "/servers")).json()["servers"]
    assert [server["name"] for server in short] == ["blue", "green", "red"]
    assert set(short[0]) == {"id", "name", "links"}
    long = (await compute.send("GET", "/servers/detail")).json()["servers"]
    assert long[0]["status"] == "BUILD" and "server_groups" not in long[0]
    assert (await compute.send("GET", "/servers", who=compute.stranger)).json() == {"servers": []}


FILTERS = [
    ("name=re", ["green", "red"]),
    ("name=^re", ["red"]),
    ("status=build", ["blue", "green", "red"]),
    ("status=ACTIVE", []),
    ("status=RESCUE", []),
    (f"image={IMAGE}", ["blue", "green", "red"]),
    ("flavor=2", []),
    ("tags=red,colour", ["red"]),
    ("tags-any=red,blue", ["blue", "red"]),
    ("sort_key=display_name&sort_dir=asc", ["blue", "green", "red"]),
    ("sort_key=name&sort_dir=desc&limit=1", ["red"]),
    ("changes-since=2030-01-01T00:00:00Z", []),
    ("changes-before=1970-01-01T00:00:01Z", []),
    ("ip=10.", []),
    ("limit=0", []),
    ("limit=0&tags=red", []),
    ("limit=0&marker=nobody", []),
    ("host=host-1", ["blue", "green", "red"]),  # not an admin: ignored
]


async def test_filters(compute: Compute) -> None:
    await three(compute)
    for query, found in FILTERS:
        assert await names(compute, query) == found


NO_QUESTIONS = [
    "limit=-1",
    "limit=x",
    "limit=1&marker=nobody",
    "status=gone-fishing",
    "changes-since=yesterday",
    "name=(",
    "sort_key=secret",
    "sort_dir=up",
    "nonsense=1",
    "locked=perhaps",
    "changes-since=2030-01-01T00:00:00Z&changes-before=2029-01-01T00:00:00Z",
    "config_drive=perhaps",
    "name=%00",
]


async def test_what_is_no_question(compute: Compute) -> None:
    for query in NO_QUESTIONS:
        answer = await compute.send("GET", f"/servers?{query}")
        assert answer.status_code == 400, answer.text
        assert answer.json()["badRequest"]["code"] == 400


async def test_older_versions_ignore_what_they_do_not_know(compute: Compute) -> None:
    await three(compute)
    assert len(await names(compute, "nonsense=1", version="2.74")) == 3
    assert len(await names(compute, "tags=red", version="2.25")) == 3
    assert await names(compute, "status=gone-fishing", version="2.37") == []


async def test_pages_are_linked(compute: Compute) -> None:
    await three(compute)
    seen: list[str] = []
    answer = await compute.send("GET", "/servers?limit=1")
    for _ in range(4):
        page = answer.json()
        seen += [server["name"] for server in page["servers"]]
        if "servers_links" not in page:
            break
        link = page["servers_links"][0]
        assert link["rel"] == "next"
        answer = await compute.send("GET", link["href"])
    assert seen == ["blue", "green", "red"]


async def test_a_limit_of_nothing(compute: Compute) -> None:
    """Lists with markers show nothing, and lead nowhere; the older ones, with an offset, and images show all, as in Nova."""
    server = await compute.server()
    empty = {
        "/servers/detail": "servers",
        "/flavors": "flavors",
        "/os-keypairs": "keypairs",
        "/os-hypervisors": "hypervisors",
        f"/servers/{server}/os-instance-actions": "instanceActions",
        "/os-migrations": "migrations",
    }
    for path, noun in empty.items():
        assert (await compute.admin("GET", f"{path}?limit=0")).json() == {noun: []}, path
    group = {"server_group": {"name": "g", "policy": "affinity"}}
    assert (await compute.send("POST", "/os-server-groups", group)).status_code == 200
    assert len((await compute.send("GET", "/os-server-groups?limit=0")).json()["server_groups"]) == 1


async def test_all_projects_are_for_admins(compute: Compute) -> None:
    await three(compute)
    assert (await compute.send("GET", "/servers?all_tenants=1")).status_code == 403
    assert (await compute.admin("GET", "/servers")).json()["servers"] == []
    assert len((await compute.admin("GET", "/servers/detail?all_tenants=True")).json()["servers"]) == 3
    one = await compute.admin("GET", f"/servers?all_tenants=1&project_id={compute.project}&name=red")
    assert [server["name"] for server in one.json()["servers"]] == ["red"]


async def test_deleted_ones_are_for_admins(compute: Compute) -> None:
    gone = await compute.server("gone")
    await compute.send("DELETE", f"/servers/{gone}")
    assert await names(compute, "") == []
    assert (await compute.send("GET", "/servers?status=DELETED")).status_code == 403
    found = (await compute.admin("GET", "/servers/detail?all_tenants=1&deleted=true")).json()["servers"]
    assert [(server["id"], server["status"]) for server in found] == [(gone, "DELETED")]
