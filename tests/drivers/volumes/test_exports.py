"""Volumes that are served: to one attachment, with its key, by a process that outlives the role and is found again."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import msgspec
import pytest

from kilonova.drivers.process import start_ticks
from kilonova.drivers.volumes import daemon
from kilonova.errors import BuildFailed
from tests.drivers.volumes.conftest import Client, Restart, order

pytestmark = pytest.mark.qemu


def pid_of(tmp_path: Path, volume_id: str) -> int:
    export = daemon.recall(tmp_path / "node" / "exports" / volume_id)
    assert export is not None
    return export.pid


async def test_it_is_served_to_one_attachment_at_a_time(volumes: Restart, tmp_path: Path) -> None:
    store, wanted = volumes(), order()
    with pytest.raises(BuildFailed, match="not on its node"):
        await store.export(wanted.volume_id, "a1", False)
    await store.make(wanted)
    address = await store.export(wanted.volume_id, "a1", False)
    assert await store.export(wanted.volume_id, "a1", False) == address
    first = Client(tmp_path / "k1", address)
    await first.write("1")
    other = await store.export(wanted.volume_id, "a2", False)
    assert other.key != address.key
    assert not await first.reads("1"), "the old key opens nothing any more"
    stale = Client(tmp_path / "k3", msgspec.structs.replace(other, key=address.key))
    assert not await stale.reads("1"), "a key is good for one attachment"
    assert await Client(tmp_path / "k2", other).reads("1")
    await store.end_export(wanted.volume_id, "a1")
    assert await store.exports() == {wanted.volume_id: "a2"}, "the end of an older attachment changes nothing"
    await store.end_export(wanted.volume_id, "a2")
    await store.end_export(wanted.volume_id, "a2")
    assert await store.exports() == {}


async def test_it_cannot_be_written_when_read_only(volumes: Restart, tmp_path: Path) -> None:
    store, wanted = volumes(), order()
    await store.make(wanted)
    client = Client(tmp_path / "k", await store.export(wanted.volume_id, "a1", True))
    assert await client.reads("\0") is False  # qemu-io opens for writing
    with pytest.raises(subprocess.CalledProcessError):
        await client.write("x")


async def test_it_outlives_the_role_and_is_found_again(volumes: Restart, tmp_path: Path) -> None:
    store, wanted = volumes(), order()
    await store.make(wanted)
    address = await store.export(wanted.volume_id, "a1", False)
    pid = pid_of(tmp_path, wanted.volume_id)
    await store.close(True)
    again = volumes()
    assert await again.exports() == {wanted.volume_id: "a1"}
    assert await again.export(wanted.volume_id, "a1", False) == address
    assert pid_of(tmp_path, wanted.volume_id) == pid
    await again.remove(wanted.volume_id)
    assert start_ticks(pid) is None
    assert await again.exports() == {}


@pytest.mark.parametrize("when", ["watched", "nobody watched", "not written down"])
async def test_one_that_dies_is_served_again_at_the_same_place(volumes: Restart, tmp_path: Path, when: str) -> None:
    store, wanted = volumes(), order()
    await store.make(wanted)
    address = await store.export(wanted.volume_id, "a1", False)
    client = Client(tmp_path / "k", address)
    await client.write("z")
    pid, folder = pid_of(tmp_path, wanted.volume_id), tmp_path / "node" / "exports" / wanted.volume_id
    if when == "watched":
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(20):
            while pid_of(tmp_path, wanted.volume_id) in (pid, 0):
                await asyncio.sleep(0.02)
    else:
        await store.close(True)
        export = daemon.recall(folder)
        assert export is not None
        if when == "nobody watched":
            os.kill(pid, signal.SIGKILL)
            os.waitid(os.P_PID, pid, os.WEXITED)
        else:
            daemon.write_down(folder, msgspec.structs.replace(export, pid=0, start_ticks=0))
        store = volumes()
    assert await store.export(wanted.volume_id, "a1", False) == address
    assert (pid_of(tmp_path, wanted.volume_id) == pid) is (when == "not written down")
    async with asyncio.timeout(20):
        while not await client.reads("z"):
            await asyncio.sleep(0.1)


async def test_a_file_that_is_damaged_is_a_refusal(volumes: Restart, tmp_path: Path) -> None:
    store, wanted = volumes(), order()
    await store.make(wanted)
    missing = tmp_path / "node" / "volumes" / wanted.volume_id / "volume.qcow2"
    missing.write_bytes(b"this is no qcow2 file")
    with pytest.raises(BuildFailed, match="could not be served"):
        await store.export(wanted.volume_id, "a1", False)
    assert await store.exports() == {}


async def test_it_is_known_which_are_used(volumes: Restart) -> None:
    store, one, two = volumes(), order(), order()
    for wanted in (one, two):
        await store.make(wanted)
    address = await store.export(one.volume_id, "a1", False)
    await store.export(two.volume_id, "a2", False)
    both = {one.volume_id: "a1", two.volume_id: "a2"}
    assert await store.unused() == both
    _, guest = await asyncio.open_connection(address.host, address.port)
    assert await store.unused() == {two.volume_id: "a2"}
    assert await store.exports() == both
    guest.close()
    await guest.wait_closed()
