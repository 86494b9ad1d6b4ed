"""createImage and createBackup over the API of a whole cloud: the image, the server meanwhile, and what failures leave."""

import asyncio
from functools import partial
from typing import Any

import pytest

from kilonova.drivers.imagestore.files import FileStore
from kilonova.model.images import ImageStatus, Viewer
from kilonova.sim import SimulatedCloud
from tests.story.conftest import CloudOf
from tests.story.ending import built, deleted
from tests.story.test_power import act, settled

ADMIN = Viewer(project_id="", is_admin=True)


async def make(cloud: SimulatedCloud, server_id: str, name: str, **more: Any) -> str:
    answer = await act(cloud, server_id, createImage={"name": name, **more})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["image_id"])


async def image_names(cloud: SimulatedCloud) -> list[str]:
    found = await cloud.ledger.read(lambda tx: tx.images.in_status([ImageStatus.ACTIVE, ImageStatus.QUEUED, ImageStatus.SAVING]))
    return sorted(image.name or "" for image in found if image.name != "simulated")


async def forget_images(cloud: SimulatedCloud) -> None:
    """Records and bytes; the image service itself does not run in these clouds."""
    for image in await cloud.ledger.read(lambda tx: tx.images.in_status(list(ImageStatus))):
        if image.name != "simulated":
            await cloud.ledger.write(partial(_forget, image.id))
            await FileStore(cloud.folder / "images").remove(image.id)


def _forget(image_id: str, tx: Any) -> None:
    tx.images.remove(image_id, 9.0)


async def test_the_image_is_made_and_a_server_of_it(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build()
    await built(cloud, server_id)
    image_id = await make(cloud, server_id, "snap", metadata={"who": "me"})
    assert (await cloud.server(server_id)).status == "ACTIVE"
    assert str((await cloud.server(server_id)).task_state).startswith("image_")
    assert (await act(cloud, server_id, createImage={"name": "second"})).status_code == 409
    await settled(cloud, server_id)
    image = await cloud.ledger.read(lambda tx: tx.images.get(image_id, ADMIN))
    assert (image.status, image.disk_format, image.min_disk) == (ImageStatus.ACTIVE, "qcow2", 1)
    said = {name: image.properties.get(name) for name in ("who", "image_type", "instance_uuid", "base_image_ref")}
    assert said == {"who": "me", "image_type": "snapshot", "instance_uuid": server_id, "base_image_ref": cloud.furnished.image_id}
    second = await cloud.build(imageRef=image_id)
    await built(cloud, second)
    for one in (second, server_id):
        assert await cloud.delete(one) == 204
        await cloud.wait_for(one, "DELETED")
    assert await cloud.clean() == []
    await forget_images(cloud)


async def test_before_2_45_the_image_stands_in_a_header(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build()
    await built(cloud, server_id)
    head = {"x-auth-token": cloud.furnished.admin_token, "openstack-api-version": "compute 2.44"}
    path = f"/compute/v2.1/servers/{server_id}/action"
    answer = await cloud.control.client.post(path, json={"createImage": {"name": "snap"}}, headers=head)
    assert (answer.status_code, answer.content) == (202, b"")
    image_id = answer.headers["location"].rpartition("/")[2]
    assert (await cloud.ledger.read(lambda tx: tx.images.get(image_id, ADMIN))).name == "snap"
    await settled(cloud, server_id)
    await forget_images(cloud)
    await deleted(cloud, server_id)


@pytest.mark.parametrize("point", ["hypervisor.copy_root", "disks.blank_copy", "disks.send_copy"])
async def test_what_fails_costs_the_image_only(cloud_of: CloudOf, point: str) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build()
    await built(cloud, server_id)
    cloud.drivers.fail(point)
    await make(cloud, server_id, "snap")
    assert await settled(cloud, server_id) == "ACTIVE"
    assert await image_names(cloud) == []
    newest = (await cloud.ledger.read(lambda tx: tx.servers.actions(server_id)))[0]
    assert (newest.action, newest.message) == ("createImage", "The hardware was made to fail.")
    await deleted(cloud, server_id)


async def test_of_backups_the_newest_stay(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build()
    await built(cloud, server_id)
    for number in range(1, 4):
        backup = {"name": f"daily {number}", "backup_type": "daily", "rotation": 2}
        assert (await act(cloud, server_id, createBackup=backup)).status_code == 202
        await settled(cloud, server_id)
        await asyncio.sleep(0.01)
    weekly = {"name": "weekly", "backup_type": "weekly", "rotation": 1}
    assert (await act(cloud, server_id, createBackup=weekly)).status_code == 202
    await settled(cloud, server_id)
    assert await image_names(cloud) == ["daily 2", "daily 3", "weekly"]
    none = {"name": "none", "backup_type": "daily", "rotation": 0}
    answer = await act(cloud, server_id, createBackup=none)
    assert (answer.status_code, answer.content) == (202, b"")
    assert await image_names(cloud) == ["weekly"]
    await forget_images(cloud)
    await deleted(cloud, server_id)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"createImage": {}}, 400),
        ({"createImage": {"name": ""}}, 400),
        ({"createImage": {"name": "x" * 256}}, 400),
        ({"createImage": {"name": "a", "metadata": {"": "no key"}}}, 400),
        ({"createImage": {"name": "a", "metadata": {f"k{n}": "v" for n in range(129)}}}, 403),
        ({"createBackup": {"name": "a", "backup_type": "daily"}}, 400),
        ({"createBackup": {"name": "a", "backup_type": "daily", "rotation": -1}}, 400),
    ],
)
async def test_what_is_refused(cloud_of: CloudOf, body: Any, status: int) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build()
    await built(cloud, server_id)
    answer = await act(cloud, server_id, **body)
    assert answer.status_code == status, answer.text
    assert await image_names(cloud) == []
    await deleted(cloud, server_id)
