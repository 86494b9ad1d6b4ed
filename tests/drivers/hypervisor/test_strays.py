"""A QEMU that its host does not know any more is named by its server's id, and ended when that is asked for."""

import shutil
from pathlib import Path

import pytest

from kilonova.drivers.disks.local import QcowDisks
from kilonova.model.ids import ServerId
from tests.drivers.builds import FileFetch, qemus_of
from tests.drivers.hypervisor.conftest import Restart
from tests.drivers.hypervisor.test_qemu import built

pytestmark = pytest.mark.qemu


async def test_a_guest_without_a_folder_is_named_and_ended(
    hypervisors: Restart, disks: QcowDisks, fetch: FileFetch, tmp_path: Path
) -> None:
    first = hypervisors()
    build, made = await built(disks, fetch)
    await first.start(build, made)
    assert build.server_id not in await first.strays()
    await first.end_stray(build.server_id)
    assert len(qemus_of(build.server_id)) == 1, "one that is known is nobody's to end"
    await first.close()
    shutil.rmtree(tmp_path / "data" / "servers" / build.server_id / "guest")
    second = hypervisors()
    assert await second.guests() == {}
    assert build.server_id in await second.strays()
    await second.end_stray(build.server_id)
    await second.end_stray(build.server_id)
    await second.end_stray(ServerId("never-there"))
    assert qemus_of(build.server_id) == []
    assert build.server_id not in await second.strays()


async def test_a_second_set_of_disks_is_named(disks: QcowDisks, fetch: FileFetch, tmp_path: Path) -> None:
    build, _ = await built(disks, fetch)
    assert await disks.spares() == set()
    await disks.copy_beside(build)
    assert await disks.spares() == {build.server_id}
    await disks.drop_spare(build.server_id, kept=True)
    assert await disks.spares() == set()
    await disks.remove(build.server_id)
