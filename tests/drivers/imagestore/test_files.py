"""The image store: whole and on the disk, or not at all."""

import asyncio
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from kilonova.drivers.imagestore.files import CHUNK, FileStore
from kilonova.errors import NotFound, TooLarge

IMAGE = str(uuid.uuid4())


async def _keep(store: FileStore, image_id: str, data: bytes) -> None:
    incoming = await store.receive(str(uuid.uuid4()))
    try:
        incoming.write(data)
        incoming.keep(image_id)
    finally:
        incoming.close()


def _files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


async def test_what_was_kept_can_be_read_in_pieces_and_in_part(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    data = os.urandom(2 * CHUNK + 17)
    await _keep(store, IMAGE, data)
    pieces = [piece async for piece in store.read(IMAGE)]
    assert b"".join(pieces) == data
    assert max(len(piece) for piece in pieces) <= CHUNK
    assert b"".join([piece async for piece in store.read(IMAGE, 5, CHUNK)]) == data[5 : 5 + CHUNK]
    assert await store.size(IMAGE) == len(data)
    assert (await store.path(IMAGE)).read_bytes() == data
    assert await store.inventory() == {IMAGE}
    assert await store.live_uploads() == set()
    assert _files(tmp_path) == [await store.path(IMAGE)]


async def test_an_upload_that_was_not_kept_leaves_nothing(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    incoming = await store.receive("upload-1")
    incoming.write(b"x" * 1000)
    assert await store.live_uploads() == {"upload-1"}
    assert await store.inventory() == set()
    incoming.close()
    assert _files(tmp_path) == []
    with pytest.raises(NotFound):
        await store.size(IMAGE)


async def test_removing_twice_is_no_error_and_a_reader_reads_to_the_end(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    data = os.urandom(3 * CHUNK)
    await _keep(store, IMAGE, data)
    reader = store.read(IMAGE)
    got = [await anext(reader)]
    await store.remove(IMAGE)
    await store.remove(IMAGE)
    got += [piece async for piece in reader]
    assert b"".join(got) == data
    assert await store.inventory() == set()


async def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    program = """
import asyncio, sys, time
from pathlib import Path
from kilonova.drivers.imagestore.files import FileStore
incoming = asyncio.run(FileStore(Path(sys.argv[1])).receive("lost"))
incoming.write(b"half of it")
print("ready", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == b"ready\n"
        store = FileStore(tmp_path)
        assert await store.live_uploads() == {"lost"}
        process.kill()
        process.wait(10)
    assert await store.live_uploads() == set()
    assert _files(tmp_path) == []


@pytest.mark.parametrize("name", ["../x", "", "a/b", "..", "x" * 65, "a\0b"])
async def test_a_name_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    store = FileStore(tmp_path)
    with pytest.raises(NotFound):
        await store.path(name)
    with pytest.raises(NotFound):
        await store.receive(name)


async def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    """/dev/full refuses every write as a full disk does."""
    store = FileStore(tmp_path)
    (tmp_path / "incoming").mkdir()
    incoming = await store.receive("u")
    try:
        with open("/dev/full", "wb", buffering=0) as full:
            os.dup2(full.fileno(), incoming._part.fileno())
        with pytest.raises(TooLarge, match="not enough room"):
            incoming.write(b"x")
    finally:
        incoming.close()
    assert _files(tmp_path) == []
