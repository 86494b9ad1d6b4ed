"""/v2.0/networks: every route once well and once badly, who sees what, filters, pages."""

from typing import Any

import pytest

from tests.api.network.conftest import Client

MISSING = "11111111-1111-1111-1111-111111111111"


async def test_a_network_is_made_shown_changed_and_deleted(alice: Client) -> None:
    made = await alice.network(name="red", description="mine", tags=["a"])
    assert made["project_id"] == made["tenant_id"] == "p-alice"
    assert made["status"] == "ACTIVE" and made["admin_state_up"] and not made["shared"] and not made["router:external"]
    assert made["subnets"] == [] and made["tags"] == ["a"] and made["revision_number"] == 1
    assert made["created_at"].endswith("Z") and made["mtu"] == 1450
    path = f"/v2.0/networks/{made['id']}"
    assert (await alice.ok("GET", path))["network"] == made
    changed = (await alice.ok("PUT", path, {"network": {"name": "blue", "mtu": 1400}}))["network"]
    assert (changed["name"], changed["mtu"], changed["revision_number"]) == ("blue", 1400, 2)
    assert changed["updated_at"] > made["updated_at"]
    await alice.ok("DELETE", path)
    await alice.refused("GET", path, status=404, kind="NetworkNotFound")
    await alice.refused("DELETE", path, status=404, kind="NetworkNotFound")
    await alice.refused("PUT", path, {"network": {"name": "x"}}, status=404, kind="NetworkNotFound")


async def test_without_a_token_and_without_the_role(as_: Any) -> None:
    await as_("nobody").refused("GET", "/v2.0/networks", status=401)
    assert (await as_("reader").ok("GET", "/v2.0/networks"))["networks"] == []
    await as_("reader").refused("POST", "/v2.0/networks", {"network": {}}, status=403)


async def test_many_in_one_request_are_all_or_nothing(alice: Client) -> None:
    made = await alice.ok("POST", "/v2.0/networks", {"networks": [{"name": "a"}, {"name": "b"}]})
    assert [one["name"] for one in made["networks"]] == ["a", "b"]
    bad = {"networks": [{"name": "c"}, {"name": "d", "mtu": 9000}]}
    await alice.refused("POST", "/v2.0/networks", bad, status=400, kind="InvalidInput")
    assert len((await alice.ok("GET", "/v2.0/networks"))["networks"]) == 2


async def test_strangers_see_what_is_shared_or_leads_out(alice: Client, bob: Client, admin: Client) -> None:
    await alice.network(name="private")
    shared = await admin.network(name="shared", shared=True)
    outside = await admin.network(name="outside", **{"router:external": True})
    assert {one["name"] for one in (await bob.ok("GET", "/v2.0/networks"))["networks"]} == {"shared", "outside"}
    assert len((await admin.ok("GET", "/v2.0/networks"))["networks"]) == 3
    for one in (shared, outside):
        await bob.refused(
            "PUT", f"/v2.0/networks/{one['id']}", {"network": {"name": "x"}}, status=403, kind="PolicyNotAuthorized"
        )
        await bob.refused("DELETE", f"/v2.0/networks/{one['id']}", status=403)


@pytest.mark.parametrize("said", [{"shared": True}, {"router:external": True}, {"is_default": True}, {"tenant_id": "p-bob"}])
async def test_some_attributes_are_for_admins(alice: Client, admin: Client, said: dict[str, Any]) -> None:
    await alice.refused("POST", "/v2.0/networks", {"network": said}, status=403)
    made = await admin.network(**said)
    assert all(made[name] == value for name, value in said.items())


async def test_a_network_in_use_stays(alice: Client) -> None:
    network = await alice.network()
    subnet = await alice.subnet(network["id"])
    port = await alice.port(network["id"])
    await alice.refused("DELETE", f"/v2.0/networks/{network['id']}", status=409, kind="NetworkInUse")
    await alice.ok("DELETE", f"/v2.0/ports/{port['id']}")
    await alice.ok("DELETE", f"/v2.0/networks/{network['id']}")
    await alice.refused("GET", f"/v2.0/subnets/{subnet['id']}", status=404, kind="SubnetNotFound")


async def test_sharing_cannot_be_taken_back_from_who_uses_it(bob: Client, admin: Client) -> None:
    network = await admin.network(shared=True)
    await admin.subnet(network["id"])
    await bob.port(network["id"])
    path = f"/v2.0/networks/{network['id']}"
    await admin.refused("PUT", path, {"network": {"shared": False}}, status=409, kind="InvalidSharedSetting")


async def test_filters_fields_and_sorting(alice: Client) -> None:
    for name in ("c", "a", "b"):
        await alice.network(name=name, admin_state_up=name != "b")

    async def names(query: str) -> list[str]:
        return [one["name"] for one in (await alice.ok("GET", f"/v2.0/networks?{query}"))["networks"]]

    assert sorted(await names("name=a&name=b")) == ["a", "b"]
    assert await names("name=a&admin_state_up=false") == []
    assert await names("admin_state_up=False") == ["b"]
    assert await names("sort_key=name&sort_dir=asc") == ["a", "b", "c"]
    assert await names("sort_key=admin_state_up&sort_key=name&sort_dir=desc&sort_dir=desc") == ["c", "a", "b"]
    assert (await alice.ok("GET", "/v2.0/networks?name=a&fields=name&fields=mtu"))["networks"] == [{"name": "a", "mtu": 1450}]
    for query in ("colour=red", "admin_state_up=perhaps", "mtu=many", "sort_key=colour", "sort_key=name&sort_dir=up", "limit=-1"):
        await alice.refused("GET", f"/v2.0/networks?{query}", status=400)
    await alice.refused("GET", f"/v2.0/networks?limit=1&marker={MISSING}", status=404, kind="NetworkNotFound")


async def test_pages_forward_and_back(alice: Client) -> None:
    for name in "abcde":
        await alice.network(name=name)
    seen = []
    url = "/v2.0/networks?limit=2&sort_key=name&sort_dir=asc"
    while True:
        page = await alice.ok("GET", url)
        seen += [one["name"] for one in page["networks"]]
        links = {link["rel"]: link["href"].removeprefix("http://cloud/network") for link in page.get("networks_links", [])}
        if "next" not in links:
            break
        url = links["next"]
    assert seen == list("abcde")
    back = await alice.ok("GET", links["previous"])
    assert [one["name"] for one in back["networks"]] == ["c", "d"]
