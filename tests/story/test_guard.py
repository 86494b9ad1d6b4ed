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
