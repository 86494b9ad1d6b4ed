"""What a volume node can tell an audit: the snapshots inside its files, and folders that nobody's work needs."""

from pathlib import Path

import pytest

from kilonova.drivers.volumes.inside import snapshot_names
from tests.drivers.volumes.conftest import Restart, order

pytestmark = pytest.mark.qemu


async def test_snapshots_are_read_out_of_the_file_as_qemu_wrote_them(volumes: Restart, tmp_path: Path) -> None:
    store, wanted = volumes(), order(size_gb=1)
    await store.make(wanted)
    assert await store.snapshots() == {wanted.volume_id: ()}
    names = ("0aa00000-0000-4000-8000-000000000001", "0aa00000-0000-4000-8000-000000000002")
    for name in names:
        await store.take_snapshot(wanted.volume_id, name)
    assert await store.snapshots() == {wanted.volume_id: names}
    await store.export(wanted.volume_id, "attachment", False)
    third = "0aa00000-0000-4000-8000-000000000003"
    await store.take_snapshot(wanted.volume_id, third)  # by the process that serves it
    assert await store.snapshots() == {wanted.volume_id: (*names, third)}
    await store.drop_snapshot(wanted.volume_id, names[0])
    assert await store.snapshots() == {wanted.volume_id: (names[1], third)}
    await store.remove(wanted.volume_id)


def test_what_is_no_volume_says_nothing(tmp_path: Path) -> None:
    assert snapshot_names(tmp_path / "not there") is None
    for content in (b"", b"QFI\xfb", b"something else, and long enough to be a header" * 4):
        (tmp_path / "file").write_bytes(content)
        assert snapshot_names(tmp_path / "file") is None


async def test_half_a_volume_is_named_and_ended_and_a_whole_one_never(volumes: Restart, tmp_path: Path) -> None:
    store, wanted = volumes(), order(size_gb=1)
    await store.make(wanted)
    root = tmp_path / "node" / "volumes"
    half, outside = root / f"{wanted.volume_id}.half", tmp_path / "outside.half"
    for folder in (half, outside):
        folder.mkdir()
        (folder / "something").write_text("left")
    assert set(await store.strays()) == {half.name}
    for name in (wanted.volume_id, "../../outside.half", half.name):
        await store.end_stray(name)
    assert await store.strays() == {}
    assert outside.exists()
    assert await store.has(wanted.volume_id)
    await store.remove(wanted.volume_id)
