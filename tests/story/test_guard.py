"""Security groups of a server that runs, changed by the compute API's actions; and whose lock it is."""

from kilonova.api.compute.service import SERVICE as COMPUTE
from kilonova.api.network.service import SERVICE as NETWORK
from tests.story.conftest import CloudOf
from tests.story.ending import built, deleted


async def test_groups_are_added_and_taken_away(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1, services=(COMPUTE, NETWORK))
    await built(cloud, server_id := await cloud.build())
    made = await cloud.send("POST", "/network/v2.0/security-groups", {"security_group": {"name": "web"}})
    group_id = made.json()["security_group"]["id"]
    path = f"/compute/v2.1/servers/{server_id}"

    async def act(action: str, name: str) -> int:
        return int((await cloud.send("POST", f"{path}/action", {action: {"name": name}})).status_code)

    async def names() -> list[str]:
        answer = await cloud.send("GET", f"{path}/os-security-groups")
        return sorted(group["name"] for group in answer.json()["security_groups"])

    assert await act("addSecurityGroup", "web") == 202
    assert await act("addSecurityGroup", "web") == 202
    assert await names() == ["default", "web"]
    ports = (await cloud.send("GET", f"/network/v2.0/ports?device_id={server_id}")).json()["ports"]
    assert all(group_id in port["security_groups"] for port in ports)
    assert await act("removeSecurityGroup", group_id) == 202
    assert await names() == ["default"]
    assert await act("removeSecurityGroup", "web") == 404
    assert await act("addSecurityGroup", "nobody's") == 404
    assert (await cloud.send("POST", f"{path}/action", {"addSecurityGroup": {}})).status_code == 400
    assert (await cloud.send("DELETE", f"/network/v2.0/security-groups/{group_id}")).status_code == 204
    await deleted(cloud, server_id)


async def test_a_floating_address_is_shown_with_the_fixed_one_it_leads_to(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1, services=(COMPUTE, NETWORK))
    base = "/network/v2.0"

    async def make(kind: str, **known: object) -> dict[str, str]:
        answer = await cloud.send("POST", f"{base}/{kind}s", {kind: known})
        assert answer.status_code == 201, answer.text
        return dict(answer.json()[kind])

    outside = await make("network", name="outside", **{"router:external": True})
    await make("subnet", network_id=outside["id"], ip_version=4, cidr="203.0.113.0/24", enable_dhcp=False)
    inside = await make("network", name="inside")
    subnet = await make("subnet", network_id=inside["id"], ip_version=4, cidr="10.9.0.0/24")
    router = await make("router", external_gateway_info={"network_id": outside["id"]})
    await cloud.send("PUT", f"{base}/routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})
    await built(cloud, server_id := await cloud.build(networks=[{"uuid": inside["id"]}]))
    port = (await cloud.send("GET", f"{base}/ports?device_id={server_id}")).json()["ports"][0]
    floating = await make("floatingip", floating_network_id=outside["id"], port_id=port["id"])
    shown = (await cloud.send("GET", f"/compute/v2.1/servers/{server_id}")).json()["server"]["addresses"]["inside"]
    assert [(one["addr"], one["OS-EXT-IPS:type"]) for one in shown] == [
        (port["fixed_ips"][0]["ip_address"], "fixed"),
        (floating["floating_ip_address"], "floating"),
    ]
    await deleted(cloud, server_id)
