"""Image data over HTTP: upload, stage and import, download, ranges; what goes wrong leaves nothing."""

import asyncio
import errno
import hashlib
import os
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec
import pytest

from kilonova.api.image import intake
from kilonova.api.image import receive as receiving
from kilonova.api.image.access import EVERYBODY
from kilonova.api.image.recover import keep_tidy, orphans, recover
from kilonova.drivers.imagestore.files import IncomingFile
from kilonova.errors import TooLarge, Unavailable
from kilonova.ledger.images import Images
from kilonova.model.images import ImageStatus
from tests.api.image.conftest import LARGEST, OCTETS, ImageCloud, create, show, some_id, upload


async def _pieces(total: int, piece: int = 60_000) -> AsyncIterator[bytes]:
    block = os.urandom(piece)
    while total > 0:
        yield block[:total]
        total -= piece


async def test_what_goes_up_comes_down(alice: httpx.AsyncClient, cloud: ImageCloud) -> None:
    image = await create(alice)
    path = f"/v2/images/{image['id']}/file"
    assert (await alice.get(path)).status_code == 204
    data = os.urandom(700_001)
    answer = await upload(alice, image["id"], data)
    assert (answer.status_code, answer.content) == (204, b"")
    active = await show(alice, image["id"])
    assert active["status"] == "active"
    assert active["size"] == active["virtual_size"] == len(data)
    assert active["checksum"] == hashlib.md5(data).hexdigest()
    assert (active["os_hash_algo"], active["os_hash_value"]) == ("sha512", hashlib.sha512(data).hexdigest())
    answer = await alice.get(path)
    assert answer.content == data
    assert answer.headers["content-length"] == str(len(data))
    assert answer.headers["content-md5"] == active["checksum"]
    assert answer.headers["content-type"] == "application/octet-stream"
    answer = await alice.head(path)
    assert (answer.status_code, answer.headers["content-length"], answer.content) == (200, str(len(data)), b"")
    assert cloud.files() == [image["id"]]


@pytest.mark.parametrize(
    ("header", "status", "expected"),
    [
        ("bytes=0-3", 206, b"0123"),
        ("bytes=4-", 206, b"456789"),
        ("bytes=-2", 206, b"89"),
        ("bytes=8-100", 206, b"89"),
        ("bytes=0-", 200, b"0123456789"),
        ("bytes=10-", 416, None),
        ("bytes=5-2", 416, None),
        ("bytes=-0", 416, None),
        ("bytes=-", 200, b"0123456789"),
        ("bytes=1-2,4-5", 200, b"0123456789"),
        ("lines=1-2", 200, b"0123456789"),
    ],
)
async def test_ranges(alice: httpx.AsyncClient, header: str, status: int, expected: bytes | None) -> None:
    image = await create(alice)
    await upload(alice, image["id"], b"0123456789")
    answer = await alice.get(f"/v2/images/{image['id']}/file", headers={"range": header})
    assert answer.status_code == status
    if expected is None:
        assert answer.headers["content-range"] == "bytes */10"
    else:
        assert answer.content == expected
        assert ("content-range" in answer.headers) == (status == 206)


async def test_upload_needs_a_queued_image_with_formats_and_octets(alice: httpx.AsyncClient, bob: httpx.AsyncClient) -> None:
    image = await create(alice)
    path = f"/v2/images/{image['id']}/file"
    assert (await alice.put(path, content=b"x", headers={"content-type": "text/plain"})).status_code == 415
    assert (await alice.put(path, content=b"x")).status_code == 415
    assert (await upload(bob, image["id"], b"x")).status_code == 404
    assert (await upload(alice, some_id(), b"x")).status_code == 404
    bare = (await alice.post("/v2/images", json={})).json()
    assert (await upload(alice, bare["id"], b"x")).status_code == 400
    assert (await upload(alice, image["id"], b"x")).status_code == 204
    assert (await upload(alice, image["id"], b"y")).status_code == 409
    assert (await alice.get(path)).content == b"x"


async def test_formats_stay_as_they_are_once_there_is_data(alice: httpx.AsyncClient) -> None:
    image = await create(alice)
    await upload(alice, image["id"], b"x")
    headers = {"content-type": "application/openstack-images-v2.1-json-patch"}
    change = [{"op": "replace", "path": "/disk_format", "value": "qcow2"}]
    assert (await alice.patch(f"/v2/images/{image['id']}", json=change, headers=headers)).status_code == 403


async def test_one_of_two_uploads_wins(alice: httpx.AsyncClient, cloud: ImageCloud) -> None:
    image = await create(alice)
    both = await asyncio.gather(*(upload(alice, image["id"], bytes([n]) * 500_000) for n in range(2)))
    assert sorted(answer.status_code for answer in both) == [204, 409]
    winner = [answer.status_code for answer in both].index(204)
    assert (await alice.get(f"/v2/images/{image['id']}/file")).content == bytes([winner]) * 500_000
    assert cloud.files() == [image["id"]]


async def test_an_image_deleted_during_its_upload_leaves_nothing(alice: httpx.AsyncClient, cloud: ImageCloud) -> None:
    image = await create(alice)

    async def slowly() -> AsyncIterator[bytes]:
        yield b"x" * 300_000
        assert (await show(alice, image["id"]))["status"] == "saving"
        assert len(cloud.files()) == 2
        assert (await alice.delete(f"/v2/images/{image['id']}")).status_code == 204
        yield b"y" * 300_000

    answer = await alice.put(f"/v2/images/{image['id']}/file", content=slowly(), headers=OCTETS)
    assert answer.status_code == 410
    assert cloud.files() == []
    assert (await alice.get(f"/v2/images/{image['id']}")).status_code == 404


async def test_an_upload_ends_early_when_its_image_is_deleted(
    alice: httpx.AsyncClient, cloud: ImageCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "CHECK_EVERY", 100_000)
    image = await create(alice)
    sent = 0

    async def long() -> AsyncIterator[bytes]:
        nonlocal sent
        for sent in range(1000):
            if sent == 5:
                await alice.delete(f"/v2/images/{image['id']}")
            yield b"x" * 100_000

    assert (await alice.put(f"/v2/images/{image['id']}/file", content=long(), headers=OCTETS)).status_code == 410
    assert sent < 20
    assert cloud.files() == []


async def test_hostile_content_is_refused_before_all_of_it_came(alice: httpx.AsyncClient, cloud: ImageCloud) -> None:
    image = await create(alice)
    sent = 0

    async def long() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b"QFI\xfb" + struct.pack(">IQIIQ", 3, 512, 8, 16, 1 << 30)
        for _ in range(1000):
            sent += 1
            yield bytes(100_000)

    answer = await alice.put(f"/v2/images/{image['id']}/file", content=long(), headers=OCTETS)
    assert answer.status_code == 400
    assert "backing file" in answer.json()["message"]
    assert sent < 100
    assert (await show(alice, image["id"]))["status"] == "queued"
    assert cloud.files() == []


async def test_more_than_the_limit_is_refused(alice: httpx.AsyncClient, cloud: ImageCloud) -> None:
    image = await create(alice)
    cloud.store._largest = 1_000_000
    answer = await alice.put(f"/v2/images/{image['id']}/file", content=_pieces(1_000_001), headers=OCTETS)
    assert answer.status_code == 413
    assert (await upload(alice, image["id"], b"x" * 1_000_001)).status_code == 413
    assert (await show(alice, image["id"]))["status"] == "queued"
    assert cloud.files() == []
    assert (await upload(alice, image["id"], b"x" * 1_000_000)).status_code == 204


async def test_a_full_disk_puts_the_image_back(
    alice: httpx.AsyncClient, cloud: ImageCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: IncomingFile, data: bytes) -> None:
        raise TooLarge("There is not enough room in the image store for this image.")

    image = await create(alice)
    with monkeypatch.context() as patch:
        patch.setattr(IncomingFile, "write", full)
        answer = await upload(alice, image["id"], b"x")
    assert answer.status_code == 413
    assert "not enough room" in answer.json()["message"]
    assert (await show(alice, image["id"]))["status"] == "queued"
    assert cloud.files() == []
    assert (await upload(alice, image["id"], b"x")).status_code == 204


async def test_fewer_bytes_than_announced_are_no_image(alice: httpx.AsyncClient, cloud: ImageCloud) -> None:
    image = await create(alice)
    answer = await alice.put(
        f"/v2/images/{image['id']}/file", content=_pieces(1000), headers={**OCTETS, "content-length": "1001"}
    )
    assert answer.status_code == 400
    assert (await show(alice, image["id"]))["status"] == "queued"
    assert cloud.files() == []


async def test_a_client_that_falls_silent_is_given_up(
    alice: httpx.AsyncClient, cloud: ImageCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "SILENCE_S", 0.2)
    image = await create(alice)

    async def silent() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.sleep(30)

    answer = await alice.put(f"/v2/images/{image['id']}/file", content=silent(), headers=OCTETS)
    assert answer.status_code == 400
    assert (await show(alice, image["id"]))["status"] == "queued"
    assert cloud.files() == []


async def test_stage_then_import(alice: httpx.AsyncClient, cloud: ImageCloud) -> None:
    image = await create(alice)
    path = f"/v2/images/{image['id']}"
    wanted = {"method": {"name": "glance-direct"}}
    assert (await alice.post(f"{path}/import", json=wanted)).status_code == 409
    assert (await alice.put(f"{path}/stage", content=b"staged", headers=OCTETS)).status_code == 204
    assert (await alice.put(f"{path}/stage", content=b"again", headers=OCTETS)).status_code == 409
    assert (await show(alice, image["id"]))["status"] == "uploading"
    assert (await alice.get(f"{path}/file")).status_code == 204
    assert (await alice.post(f"{path}/import", json={"method": {"name": "web-download"}})).status_code == 400
    assert (await alice.post(f"{path}/import", json={**wanted, "stores": ["moon"]})).status_code == 409
    assert (await alice.post(f"{path}/import", json=wanted)).status_code == 202
    assert (await show(alice, image["id"]))["status"] == "active"
    assert (await alice.get(f"{path}/file")).content == b"staged"


async def test_after_a_crash_nothing_stays_stuck(alice: httpx.AsyncClient, cloud: ImageCloud) -> None:
    """What kill -9 leaves at each point of an upload: before its bytes are kept, after, and after a deletion."""
    before, after, living, fine = [await create(alice) for _ in range(4)]
    await upload(alice, fine["id"], b"fine")
    await upload(alice, after["id"], b"kept, not yet active")

    def stuck(books: Any) -> None:
        for image, name in ((before, "dead-1"), (after, "dead-2"), (living, "live")):
            record = books.images.get(image["id"], EVERYBODY)
            books.images.replace(msgspec.structs.replace(record, status=ImageStatus.SAVING, upload=name, content=None))

    await cloud.ledger.write(stuck)
    for name in ("dead-1.part", "dead-1.lock"):
        (cloud.folder / "incoming" / name).write_bytes(b"half")
    lost = cloud.folder / "data" / "ff"
    lost.mkdir(exist_ok=True)
    (lost / f"ff{some_id()[2:]}").write_bytes(b"its record was deleted")
    assert len(await orphans(cloud.world.ledger, cloud.store)) == 1
    incoming = await cloud.store.receive("live")
    try:
        queued = await recover(cloud.world.ledger, cloud.store)
        assert {image.id for image in queued} == {before["id"], after["id"]}
        assert [(await show(alice, i["id"]))["status"] for i in (before, after, living, fine)] == [
            "queued",
            "queued",
            "saving",
            "active",
        ]
        assert cloud.files() == sorted([fine["id"], "live.lock", "live.part"])
        assert await recover(cloud.world.ledger, cloud.store) == []
    finally:
        incoming.close()


async def test_a_large_upload_needs_little_memory_and_lets_others_be_served(alice: httpx.AsyncClient, cloud: ImageCloud) -> None:
    image = await create(alice)
    await upload(alice, (await create(alice))["id"], b"x" * 1_000_000)  # loads what is loaded once
    start = _resident()
    sending = asyncio.create_task(alice.put(f"/v2/images/{image['id']}/file", content=_pieces(200 * 2**20), headers=OCTETS))
    served = 0
    peak = start
    while not sending.done():
        assert (await show(alice, image["id"]))["status"] in ("saving", "queued", "active")
        served += 1
        peak = max(peak, _resident())
        await asyncio.sleep(0.01)
    assert (await sending).status_code == 204
    assert (await show(alice, image["id"]))["size"] == 200 * 2**20 <= LARGEST
    assert peak - start < 60 * 2**20
    assert served >= 10


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


async def test_a_deletion_in_the_last_moment_leaves_nothing(
    alice: httpx.AsyncClient, cloud: ImageCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the bytes were kept, before the record says so."""
    image = await create(alice)
    keep = IncomingFile.keep

    def keep_and_delete(self: IncomingFile, image_id: str) -> None:
        keep(self, image_id)
        assert cloud.files()[0] in (image_id, f"{self._lock_path.name}")
        Images(cloud.ledger.connection).remove(image_id, 1.0)

    monkeypatch.setattr(IncomingFile, "keep", keep_and_delete)
    assert (await upload(alice, image["id"], b"x")).status_code == 410
    assert cloud.files() == []


async def test_a_commit_whose_answer_is_lost_keeps_the_bytes(
    alice: httpx.AsyncClient, cloud: ImageCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image is active although the upload was told otherwise: its bytes must not go."""
    image = await create(alice)
    write, calls = cloud.ledger.write, 0

    async def second_answer_is_lost(change: Any) -> Any:
        nonlocal calls
        calls += 1
        result = await write(change)
        if calls == 2:
            raise Unavailable("The database does not answer.")
        return result

    monkeypatch.setattr(cloud.ledger, "write", second_answer_is_lost)
    assert (await upload(alice, image["id"], b"x")).status_code == 503
    assert calls == 3
    assert (await show(alice, image["id"]))["status"] == "active"
    assert (await alice.get(f"/v2/images/{image['id']}/file")).content == b"x"


async def test_bytes_whose_record_went_alone_go_later(alice: httpx.AsyncClient, cloud: ImageCloud) -> None:
    """And nothing else does: not those of an image that is there, not those of one that is coming."""
    kept, gone, coming = [await create(alice) for _ in range(3)]
    for image in (kept, gone):
        await upload(alice, image["id"], b"data")
    await cloud.ledger.write(lambda books: books.images.remove(gone["id"], 1.0))
    tidying = asyncio.create_task(keep_tidy(cast(Any, cloud.ledger), cloud.store, every_s=0.01))

    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 300_000
            await asyncio.sleep(0.05)

    assert (await upload(alice, coming["id"], slowly())).status_code == 204
    async with asyncio.timeout(10):
        while gone["id"] in cloud.files():
            await asyncio.sleep(0.01)
    tidying.cancel()
    await asyncio.wait([tidying])
    assert set(cloud.files()) == {kept["id"], coming["id"]}


async def test_a_disk_that_refuses_ends_nothing(
    alice: httpx.AsyncClient, cloud: ImageCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control lives with its tidying: what cannot be removed now goes the next time."""
    image = await create(alice)
    await upload(alice, image["id"], b"data")
    await cloud.ledger.write(lambda books: books.images.remove(image["id"], 1.0))
    unlink, refused = Path.unlink, 0

    def refuse_once(self: Path, missing_ok: bool = False) -> None:
        nonlocal refused
        refused += 1
        if refused == 1:
            raise OSError(errno.EIO, "Input/output error")
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse_once)
    tidying = asyncio.create_task(keep_tidy(cast(Any, cloud.ledger), cloud.store, every_s=0.01))
    async with asyncio.timeout(10):
        while cloud.files() and not tidying.done():
            await asyncio.sleep(0.01)
    assert (cloud.files(), tidying.done()) == ([], False)
    tidying.cancel()
    await asyncio.wait([tidying])
