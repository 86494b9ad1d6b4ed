"""os-volume_attachments over a whole cloud: every method, its versions' forms, and what is refused."""

from typing import Any

from kilonova.model.ids import new_uuid
from kilonova.sim import SimulatedCloud
from tests.story.conftest import CloudOf
from tests.story.deeds import DEEDS, blank_volume
from tests.story.ending import built, deleted
from tests.story.test_volumes import becomes


async def ask(cloud: SimulatedCloud, method: str, path: str, body: Any = None, version: str = "2.96") -> Any:
    head = {"x-auth-token": cloud.furnished.admin_token, "openstack-api-version": f"compute {version}"}
    return await cloud.control.client.request(method, f"/compute/v2.1/servers/{path}", json=body, headers=head)


async def test_a_volume_comes_is_shown_changed_and_goes(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    server_id, volume_id = await cloud.build(), await blank_volume(cloud)
    await built(cloud, server_id)
    path = f"{server_id}/os-volume_attachments"
    body = {"volumeAttachment": {"volumeId": volume_id, "tag": "data", "device": "/dev/vdd"}}
    answer = await ask(cloud, "POST", path, body)
    assert answer.status_code == 200, answer.text
    made = answer.json()["volumeAttachment"]
    assert (made["device"], made["tag"], made["serverId"]) == ("/dev/vdd", "data", server_id)
    await becomes(cloud, volume_id, "in-use")
    shown = (await ask(cloud, "GET", f"{path}/{volume_id}")).json()["volumeAttachment"]
    assert set(shown) == {"volumeId", "serverId", "device", "tag", "delete_on_termination", "attachment_id", "bdm_uuid"}
    forms = {"2.1": set(), "2.70": {"tag"}, "2.79": {"tag", "delete_on_termination"}}
    for version, more in forms.items():
        (listed,) = (await ask(cloud, "GET", path, version=version)).json()["volumeAttachments"]
        assert set(listed) == {"id", "volumeId", "serverId", "device"} | more, version
    assert (await ask(cloud, "GET", f"{path}?limit=1&offset=1")).json() == {"volumeAttachments": []}
    change = {"volumeAttachment": {"volumeId": volume_id, "delete_on_termination": True}}
    assert (await ask(cloud, "PUT", f"{path}/{volume_id}", change)).status_code == 202
    assert (await ask(cloud, "GET", f"{path}/{volume_id}")).json()["volumeAttachment"]["delete_on_termination"] is True
    for wrong, status in (({"tag": "other"}, 400), ({"volumeId": new_uuid()}, 501), ({"colour": 1}, 400)):
        asked = {"volumeAttachment": {"volumeId": volume_id, **wrong}}
        assert (await ask(cloud, "PUT", f"{path}/{volume_id}", asked)).status_code == status, wrong
    server = (await ask(cloud, "GET", server_id)).json()["server"]
    assert server["os-extended-volumes:volumes_attached"] == [{"id": volume_id, "delete_on_termination": True}]
    assert (await ask(cloud, "DELETE", f"{path}/{volume_id}")).status_code == 202
    await becomes(cloud, volume_id, "available")
    for method in ("GET", "DELETE"):
        assert (await ask(cloud, method, f"{path}/{volume_id}")).status_code == 404
    await deleted(cloud, server_id)


async def test_the_newest_version_says_nothing_at_once(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    server_id, volume_id = await cloud.build(), await blank_volume(cloud)
    await built(cloud, server_id)
    body = {"volumeAttachment": {"volumeId": volume_id}}
    answer = await ask(cloud, "POST", f"{server_id}/os-volume_attachments", body, version="2.101")
    assert (answer.status_code, answer.content) == (202, b"")
    await becomes(cloud, volume_id, "in-use")
    await deleted(cloud, server_id)
    await becomes(cloud, volume_id, "available")


async def test_what_is_refused(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    server_id, volume_id = await cloud.build(), await blank_volume(cloud)
    await built(cloud, server_id)
    path = f"{server_id}/os-volume_attachments"

    async def status(version: str = "2.96", **attachment: Any) -> int:
        answer = await ask(cloud, "POST", path, {"volumeAttachment": attachment}, version)
        return int(answer.status_code)

    assert await status(volumeId=new_uuid()) == 404
    assert await status(volumeId="no-uuid") == 400
    assert await status(volumeId=volume_id, device="nonsense") == 400
    assert await status(volumeId=volume_id, tag="a/b") == 400
    assert await status("2.48", volumeId=volume_id, tag="a") == 400
    assert await status("2.78", volumeId=volume_id, delete_on_termination=True) == 400
    assert await status(volumeId=volume_id, colour="red") == 400
    assert (await ask(cloud, "GET", f"{new_uuid()}/os-volume_attachments")).status_code == 404
    assert await status(volumeId=volume_id) == 200
    await becomes(cloud, volume_id, "in-use")
    assert await status(volumeId=volume_id) == 400, "it is attached already"
    other = await blank_volume(cloud)
    assert await status(volumeId=other, device="/dev/vdb") == 409, "the device is taken"
    assert (await ask(cloud, "POST", f"{server_id}/action", {"lock": None})).status_code == 202
    await deleted(cloud, server_id)


async def test_a_server_that_is_off_has_its_volume_when_it_starts(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    server_id, volume_id = await cloud.build(), await blank_volume(cloud)
    await built(cloud, server_id)
    await DEEDS["stop"].ask(cloud, server_id)
    await DEEDS["stop"].ended(cloud, server_id)
    answer = await ask(cloud, "POST", f"{server_id}/os-volume_attachments", {"volumeAttachment": {"volumeId": volume_id}})
    assert answer.status_code == 200, answer.text
    await becomes(cloud, volume_id, "in-use")
    await cloud.volume.node.store.end_export(volume_id, next(iter((await cloud.volume.node.store.exports()).values())))
    await DEEDS["start"].ask(cloud, server_id)
    await DEEDS["start"].ended(cloud, server_id)
    assert list(await cloud.volume.node.store.exports()) == [volume_id], "a start asks anew for what a restart has ended"
    await deleted(cloud, server_id)
