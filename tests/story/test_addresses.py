"""A server's addresses: how they are shown, and the old actions on floating ones and fixed ones; gone since 2.44."""

from dataclasses import dataclass
from typing import Any

from kilonova.api.compute.service import SERVICE as COMPUTE
from kilonova.api.network.service import SERVICE as NETWORK
from kilonova.sim import SimulatedCloud
from tests.story.conftest import CloudOf
from tests.story.ending import built, deleted

BASE = "/network/v2.0"


@dataclass
class Scene:
    """A network behind a router, and the one that leads out."""

    cloud: SimulatedCloud
    outside: str
    inside: str
    subnet: str

    async def make(self, kind: str, **known: object) -> dict[str, Any]:
        return await make(self.cloud, kind, **known)

    async def act(self, server_id: str, version: str = "2.43", **action: Any) -> int:
        head = {"x-auth-token": self.cloud.furnished.admin_token, "openstack-api-version": f"compute {version}"}
        path = f"/compute/v2.1/servers/{server_id}/action"
        return int((await self.cloud.control.client.post(path, json=action, headers=head)).status_code)

    async def shown(self, server_id: str) -> list[tuple[str, str]]:
        server = (await self.cloud.send("GET", f"/compute/v2.1/servers/{server_id}")).json()["server"]
        return [(one["addr"], one["OS-EXT-IPS:type"]) for one in server["addresses"].get("inside", ())]

    async def server(self, **wish: Any) -> str:
        await built(self.cloud, server_id := await self.cloud.build(**{"networks": [{"uuid": self.inside}], **wish}))
        return server_id

    async def gone(self, server_id: str) -> None:
        assert await self.cloud.delete(server_id) == 204
        await self.cloud.wait_for(server_id, "DELETED")


async def make(cloud: SimulatedCloud, kind: str, **known: object) -> dict[str, Any]:
    answer = await cloud.send("POST", f"{BASE}/{kind}s", {kind: known})
    assert answer.status_code == 201, answer.text
    return dict(answer.json()[kind])


async def scene_of(cloud_of: CloudOf) -> Scene:
    cloud = await cloud_of(hosts=1, services=(COMPUTE, NETWORK))
    outside = await make(cloud, "network", name="outside", **{"router:external": True})
    await make(cloud, "subnet", network_id=outside["id"], ip_version=4, cidr="203.0.113.0/24", enable_dhcp=False)
    inside = await make(cloud, "network", name="inside")
    subnet = await make(cloud, "subnet", network_id=inside["id"], ip_version=4, cidr="10.9.0.0/24")
    router = await make(cloud, "router", external_gateway_info={"network_id": outside["id"]})
    await cloud.send("PUT", f"{BASE}/routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})
    return Scene(cloud, outside["id"], inside["id"], subnet["id"])


async def test_a_floating_address_is_shown_with_the_fixed_one_it_leads_to(cloud_of: CloudOf) -> None:
    scene = await scene_of(cloud_of)
    port = (await scene.cloud.send("GET", f"{BASE}/ports?device_id={(server_id := await scene.server())}")).json()["ports"][0]
    floating = await scene.make("floatingip", floating_network_id=scene.outside, port_id=port["id"])
    fixed = port["fixed_ips"][0]["ip_address"]
    assert await scene.shown(server_id) == [(fixed, "fixed"), (floating["floating_ip_address"], "floating")]
    await deleted(scene.cloud, server_id)


async def test_a_floating_address_is_added_moved_and_taken_away(cloud_of: CloudOf) -> None:
    scene = await scene_of(cloud_of)
    one, two = await scene.server(), await scene.server()
    first, second = [(await scene.make("floatingip", floating_network_id=scene.outside)) for _ in range(2)]
    ip, other_ip = first["floating_ip_address"], second["floating_ip_address"]
    assert await scene.act(one, addFloatingIp={"address": ip}) == 202
    fixed = (await scene.shown(one))[0]
    assert await scene.shown(one) == [fixed, (ip, "floating")]
    assert await scene.act(one, addFloatingIp={"address": ip, "fixed_address": fixed[0]}) == 202, "it is so already"
    assert await scene.act(one, addFloatingIp={"address": other_ip}) == 400, "the fixed one has its floating one"
    assert await scene.act(two, removeFloatingIp={"address": ip}) == 409
    assert await scene.act(two, addFloatingIp={"address": ip}) == 202
    assert [kind for _, kind in await scene.shown(one)] == ["fixed"]
    assert await scene.act(one, removeFloatingIp={"address": ip}) == 409
    assert await scene.act(two, removeFloatingIp={"address": ip}) == 202
    assert await scene.act(two, removeFloatingIp={"address": ip}) == 409
    assert [kind for _, kind in await scene.shown(two)] == ["fixed"]
    left = (await scene.cloud.send("GET", f"{BASE}/floatingips/{first['id']}")).json()["floatingip"]
    assert (left["port_id"], left["fixed_ip_address"], left["router_id"]) == (None, None, None)
    await scene.gone(one)
    await deleted(scene.cloud, two)


async def test_no_floating_address(cloud_of: CloudOf) -> None:
    scene = await scene_of(cloud_of)
    server_id, alone = await scene.server(), await scene.server(networks="none")
    ip = (await scene.make("floatingip", floating_network_id=scene.outside))["floating_ip_address"]
    for wrong, status in (
        ({"address": "0.0.0.0"}, 404),
        ({"address": ""}, 400),
        ({}, 400),
        ({"address": ip, "fixed_address": "10.9.0.250"}, 400),
        ({"address": ip, "fixed_address": "x"}, 400),
        ({"address": ip, "port": "x"}, 400),
    ):
        assert await scene.act(server_id, addFloatingIp=wrong) == status, wrong
    assert await scene.act(alone, addFloatingIp={"address": ip}) == 400
    assert await scene.act(server_id, removeFloatingIp={"address": "0.0.0.0"}) == 404
    assert await scene.act(server_id, removeFloatingIp={}) == 400
    other = await scene.make("network", name="elsewhere")
    await scene.make("subnet", network_id=other["id"], ip_version=4, cidr="10.8.0.0/24")
    behind = await scene.server(networks=[{"uuid": other["id"]}])
    assert await scene.act(behind, addFloatingIp={"address": ip}) == 400, "no router leads there"
    assert await scene.act(server_id, addFloatingIp={"address": ip}) == 202
    for action in ("addFloatingIp", "removeFloatingIp"):
        assert await scene.act(server_id, "2.44", **{action: {"address": ip}}) == 404
    await scene.gone(alone)
    await scene.gone(behind)
    await deleted(scene.cloud, server_id)


async def test_a_fixed_address_more_and_one_less(cloud_of: CloudOf) -> None:
    scene = await scene_of(cloud_of)
    server_id = await scene.server()
    first = (await scene.shown(server_id))[0][0]
    assert await scene.act(server_id, addFixedIp={"networkId": scene.inside}) == 202
    both = [ip for ip, _ in await scene.shown(server_id)]
    assert both[0] == first and len(both) == 2
    ip = (await scene.make("floatingip", floating_network_id=scene.outside))["floating_ip_address"]
    assert await scene.act(server_id, addFloatingIp={"address": ip, "fixed_address": both[1]}) == 202
    assert await scene.act(server_id, removeFixedIp={"address": both[1]}) == 202
    assert await scene.shown(server_id) == [(first, "fixed")]
    assert await scene.act(server_id, removeFixedIp={"address": both[1]}) == 400
    assert await scene.act(server_id, removeFixedIp={"address": "x"}) == 400
    assert await scene.act(server_id, addFixedIp={"networkId": scene.outside}) == 404
    assert await scene.act(server_id, addFixedIp={}) == 400
    for action, argument in (("addFixedIp", {"networkId": scene.inside}), ("removeFixedIp", {"address": first})):
        assert await scene.act(server_id, "2.44", **{action: argument}) == 404
    await deleted(scene.cloud, server_id)
