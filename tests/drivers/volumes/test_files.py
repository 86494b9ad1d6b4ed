"""Volumes as files: made, copied, kept, gone back to, sent; nothing that is half made is taken for whole."""

import asyncio
import os
from pathlib import Path

import pytest

from kilonova.drivers.identity import UidRange
from kilonova.errors import BuildFailed
from kilonova.model.ids import ImageId, new_uuid
from kilonova.model.image import BootImage
from tests.drivers.volumes.conftest import MIB, Client, Images, Restart, order, raw_of

pytestmark = pytest.mark.qemu


def image(content: bytes, kind: str = "raw") -> BootImage:
    return BootImage(
        id=ImageId(new_uuid()), name="i", disk_format=kind, size=len(content), sha256="0" * 64, virtual_size=len(content)
    )


async def test_a_blank_volume_is_sparse_and_made_once(volumes: Restart, tmp_path: Path) -> None:
    store, wanted = volumes(), order(size_gb=2)
    await store.make(wanted)
    file = tmp_path / "node" / "volumes" / wanted.volume_id / "volume.qcow2"
    assert file.stat().st_blocks * 512 < MIB
    before = file.stat().st_ino
    await store.make(wanted)
    assert file.stat().st_ino == before
    assert await store.inventory() == {wanted.volume_id}
    assert raw_of(store, tmp_path, wanted.volume_id) == b"\0" * MIB
    await store.remove(wanted.volume_id)
    await store.remove(wanted.volume_id)
    assert await store.inventory() == set()


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
async def test_a_volume_of_an_image(volumes: Restart, images: Images, tmp_path: Path, kind: str) -> None:
    content = b"a" * MIB + b"\0" * MIB
    (tmp_path / "i.raw").write_bytes(content)
    os.system(f"qemu-img convert -O {kind} {tmp_path}/i.raw {tmp_path}/i")
    told = image((tmp_path / "i").read_bytes(), kind)
    images.offered[told.id] = (tmp_path / "i").read_bytes()
    store, wanted = volumes(), order(image=told)
    await store.make(wanted)
    assert raw_of(store, tmp_path, wanted.volume_id) == b"a" * MIB
    assert [file.name for file in (tmp_path / "node" / "volumes" / wanted.volume_id).iterdir()] == ["volume.qcow2"]


async def test_what_is_refused_leaves_nothing(volumes: Restart, images: Images, tmp_path: Path) -> None:
    store = volumes()
    (tmp_path / "base").write_bytes(b"secret" * 1000)
    os.system(f"qemu-img create -q -f qcow2 -b {tmp_path}/base -F raw {tmp_path}/overlay")
    os.system(f"qemu-img create -q -f qcow2 {tmp_path}/large 2G")
    cases = [
        ("overlay", "qcow2", "refers to other files"),
        ("large", "qcow2", "larger than the volume"),
        ("base", "vmdk", "format vmdk"),
    ]
    for name, kind, words in cases:
        content = (tmp_path / name).read_bytes()
        told = image(content, kind)
        images.offered[told.id] = content
        with pytest.raises(BuildFailed, match=words):
            await store.make(order(image=told))
    told = image(b"no qcow2" * 100, "qcow2")
    images.offered[told.id] = b"no qcow2" * 100
    with pytest.raises(BuildFailed, match="could not be worked on") as failed:
        await store.make(order(image=told))
    assert str(tmp_path) not in str(failed.value) and "/proc" not in str(failed.value)
    with pytest.raises(BuildFailed, match="at most 10 GiB"):
        await store.make(order(size_gb=11))
    assert await store.inventory() == set()


async def test_a_making_that_is_called_off_leaves_nothing(volumes: Restart, images: Images, tmp_path: Path) -> None:
    content = os.urandom(64 * MIB)
    told = image(content)
    images.offered[told.id] = content
    store, wanted = volumes(), order(image=told)
    making = asyncio.create_task(store.make(wanted))
    while not (tmp_path / "node" / "volumes" / f"{wanted.volume_id}.half" / "image").exists():
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.05)
    making.cancel()
    await asyncio.wait([making])
    assert making.cancelled()
    assert await store.inventory() == set()
    assert not await store.has(wanted.volume_id)


async def test_snapshots_are_kept_dropped_and_gone_back_to(volumes: Restart, tmp_path: Path) -> None:
    store, wanted, snap = volumes(), order(), new_uuid()
    volume = wanted.volume_id
    await store.make(wanted)
    address = await store.export(volume, "a1", False)
    client = Client(tmp_path / "k1", address)
    await client.write("a")
    await store.take_snapshot(volume, snap)  # while it is served
    await store.take_snapshot(volume, snap)
    await client.write("b")
    with pytest.raises(BuildFailed, match="in use"):
        await store.revert(volume, snap)
    copy, of_snapshot = order(source_volume_id=volume), order(source_volume_id=volume, source_snapshot_id=snap, size_gb=2)
    await store.make(copy)
    await store.make(of_snapshot)
    await client.write("c")
    assert raw_of(store, tmp_path, copy.volume_id)[:65536] == b"b" * 65536
    assert raw_of(store, tmp_path, of_snapshot.volume_id)[:65536] == b"a" * 65536
    await store.end_export(volume, "a1")
    assert raw_of(store, tmp_path, volume)[:65536] == b"c" * 65536
    await store.revert(volume, snap)
    assert raw_of(store, tmp_path, volume)[:65536] == b"a" * 65536
    await store.drop_snapshot(volume, snap)
    await store.drop_snapshot(volume, snap)
    with pytest.raises(BuildFailed):
        await store.revert(volume, snap)
    await store.take_snapshot(volume, snap)  # and while it is not
    await store.export(volume, "a2", False)
    await store.drop_snapshot(volume, snap)
    await store.drop_snapshot(volume, snap)
    await store.end_export(volume, "a2")


async def test_it_grows_served_or_not(volumes: Restart, tmp_path: Path) -> None:
    store, wanted = volumes(), order()
    await store.make(wanted)
    await store.extend(wanted.volume_id, 2)
    address = await store.export(wanted.volume_id, "a1", False)
    client = Client(tmp_path / "k", address)
    await client.write("x", at=(2 << 30) - 65536)
    assert not await client.reads("\0", at=(3 << 30) - 65536)
    for _ in range(2):
        await store.extend(wanted.volume_id, 3)
        assert await client.reads("\0", at=(3 << 30) - 65536)
    assert await client.reads("x", at=(2 << 30) - 65536)


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
async def test_its_bytes_become_an_image(volumes: Restart, images: Images, tmp_path: Path, kind: str) -> None:
    store, wanted = volumes(), order()
    await store.make(wanted)
    client = Client(tmp_path / "k", await store.export(wanted.volume_id, "a1", False))
    await client.write("u")
    upload = order("upload", wanted.volume_id, upload_image_id=new_uuid(), upload_format=kind)
    await store.pack(upload)
    await store.pack(upload)
    await client.write("v")
    await store.send(upload)
    await store.unpack(upload)
    await store.unpack(upload)
    sent = images.sent[upload.upload_image_id]
    assert sent[:4] == (b"uuuu" if kind == "raw" else b"QFI\xfb")
    assert await store.inventory() == {wanted.volume_id}
    assert [path.name for path in (tmp_path / "node" / "volumes").iterdir()] == [wanted.volume_id]
    with pytest.raises(BuildFailed, match="format vmdk"):
        await store.pack(order("upload", wanted.volume_id, upload_format="vmdk"))


@pytest.mark.root
async def test_each_volume_has_a_user_of_its_own(volumes: Restart, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files to others")
    store, wanted = volumes(), order()
    await store.make(wanted)
    await store.export(wanted.volume_id, "a1", False)
    uid = UidRange().plain(wanted.volume_id).uid
    file = tmp_path / "node" / "volumes" / wanted.volume_id / "volume.qcow2"
    assert (file.stat().st_uid, file.stat().st_mode & 0o777) == (uid, 0o640)
    key = tmp_path / "node" / "exports" / wanted.volume_id / "keys" / "keys.psk"
    assert (key.stat().st_uid, key.stat().st_mode & 0o777) == (uid, 0o400)
