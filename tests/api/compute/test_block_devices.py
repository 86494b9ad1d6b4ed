"""What POST /servers says of disks, in both forms, and what of it is refused."""

from typing import Any

import pytest

from tests.api.compute.conftest import IMAGE, Compute

VOLUME = "aaaaaaaa-2222-4333-8444-555555555555"
BASE = {"name": "one", "flavorRef": 1, "networks": "none"}
ROOT = {"source_type": "volume", "destination_type": "volume", "uuid": VOLUME, "boot_index": 0}
LOCAL = {"source_type": "image", "destination_type": "local", "uuid": IMAGE, "boot_index": 0}


async def test_every_kind_of_volume_is_understood(compute: Compute) -> None:
    entries = [
        {**ROOT, "boot_index": "0", "delete_on_termination": "true", "tag": "root", "device_name": "vda"},
        {"source_type": "image", "destination_type": "volume", "uuid": IMAGE, "volume_size": "2", "boot_index": 1},
        {"source_type": "snapshot", "snapshot_id": VOLUME, "boot_index": -1, "volume_type": "fast"},
        {"source_type": "blank", "destination_type": "volume", "volume_size": 3, "boot_index": None},
        {"source_type": "blank", "destination_type": "local", "guest_format": "swap", "volume_size": 1},
        {"no_device": True, "device_name": "/dev/vdz"},
    ]
    answer = await compute.send("POST", "/servers", {"server": {**BASE, "block_device_mapping_v2": entries}})
    assert answer.status_code == 202, answer.text
    wish = compute.desk.wishes[0]
    assert wish.image_id is None
    seen = [(one.source, one.source_id, one.size_gb, one.boot_index) for one in wish.block_devices]
    assert seen == [
        ("volume", VOLUME, None, 0),
        ("image", IMAGE, 2, 1),
        ("snapshot", VOLUME, None, None),
        ("blank", "", 3, None),
    ]
    first, third = wish.block_devices[0], wish.block_devices[2]
    assert (first.device, first.delete_on_termination, first.tag, third.volume_type) == ("/dev/vda", True, "root", "fast")


async def test_the_old_form(compute: Compute) -> None:
    old = [{"device_name": "vda", "volume_id": VOLUME, "delete_on_termination": True}, {"snapshot_id": VOLUME, "volume_size": 4}]
    answer = await compute.send("POST", "/servers", {"server": {**BASE, "block_device_mapping": old}})
    assert answer.status_code == 202, answer.text
    seen = [(one.source, one.boot_index, one.size_gb) for one in compute.desk.wishes[0].block_devices]
    assert seen == [("volume", 0, None), ("snapshot", None, 4)]
    answer = await compute.send("POST", "/servers", {"server": {**BASE, "imageRef": IMAGE, "block_device_mapping": old}})
    assert answer.status_code == 202, answer.text
    assert (compute.desk.wishes[1].image_id, compute.desk.wishes[1].block_devices[0].boot_index) == (IMAGE, None)
    both = {**BASE, "block_device_mapping": old, "block_device_mapping_v2": [ROOT]}
    assert (await compute.send("POST", "/servers", {"server": both})).status_code == 400


async def test_the_old_address_of_booting_from_volumes(compute: Compute) -> None:
    body = {"server": {**BASE, "block_device_mapping_v2": [ROOT]}}
    assert (await compute.send("POST", "/os-volumes_boot", body, version="2.96")).status_code == 202
    assert (await compute.send("POST", "/os-volumes_boot", body, version="2.103")).status_code == 404


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([{**ROOT, "boot_index": 1}], "Boot sequence"),
        ([ROOT, ROOT], "Boot sequence"),
        ([LOCAL, ROOT], "Boot sequence"),
        ([{**ROOT, "uuid": None}], "Missing device UUID"),
        ([{**ROOT, "uuid": "not-one"}], "uuid"),
        ([{**ROOT, "source_type": "tape"}], "source_type"),
        ([{**ROOT, "destination_type": "moon"}], "destination_type"),
        ([{**ROOT, "destination_type": "local"}], "Invalid source_type/destination_type"),
        ([{**ROOT, "source_type": "image"}], "non-zero size"),
        ([{**LOCAL, "boot_index": 1}], "Mapping image to local"),
        ([{"source_type": "blank", "destination_type": "volume", "boot_index": 0}], "non-zero size"),
        ([{"source_type": "blank", "destination_type": "volume", "volume_size": 1, "uuid": VOLUME}], "Invalid device UUID"),
        ([{**ROOT, "volume_size": "many"}], "volume_size"),
        ([{**ROOT, "boot_index": {}}], "boot_index"),
        ([{**ROOT, "tag": "a,b"}], "tag"),
        ([{**ROOT, "device_name": "a b"}], "Device name"),
        ([{**ROOT, "colour": "red"}], "colour"),
    ],
)
async def test_what_is_refused(compute: Compute, entries: list[dict[str, Any]], words: str) -> None:
    answer = await compute.send("POST", "/servers", {"server": {**BASE, "block_device_mapping_v2": entries}})
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["badRequest"]["message"]
    assert compute.desk.wishes == []


async def test_types_of_volumes_since_2_67(compute: Compute) -> None:
    body = {"server": {**BASE, "block_device_mapping_v2": [{**ROOT, "volume_type": "fast"}]}}
    assert (await compute.send("POST", "/servers", body, version="2.66")).status_code == 400
    assert (await compute.send("POST", "/servers", body, version="2.67")).status_code == 202
