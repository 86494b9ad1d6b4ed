"""Simulated disks: remembered, forgotten, and failing on demand."""

from pathlib import Path

import pytest

from kilonova.drivers.disks.simulated import SimulatedDisks
from kilonova.errors import BuildFailed
from kilonova.model.ids import ServerId
from tests.drivers.builds import no_progress, placed, wired


class FailsAt:
    def __init__(self, point: str) -> None:
        self._point = point

    def before(self, point: str, server_id: ServerId) -> None:
        if point == self._point:
            raise BuildFailed("on demand")


async def test_a_restarted_role_finds_its_disks(tmp_path: Path) -> None:
    first, gone = placed(), placed()
    disks = SimulatedDisks(tmp_path / "state")
    for build in (first, first, gone):
        (root,) = await disks.assemble(build, no_progress)
        assert root.size == 1 << 30
    await disks.add_config_drive(wired(first, (root,)))
    await disks.remove(gone.server_id)
    await disks.remove(gone.server_id)
    assert await SimulatedDisks(tmp_path / "state").inventory() == {first.server_id}
    assert await SimulatedDisks().inventory() == set()


@pytest.mark.parametrize("point", ["disks.assemble", "disks.add_config_drive", "disks.remove"])
async def test_faults_on_demand(point: str) -> None:
    disks, build = SimulatedDisks(faults=FailsAt(point)), placed()

    async def everything() -> None:
        made = await disks.assemble(build, no_progress)
        await disks.add_config_drive(wired(build, made))
        await disks.remove(build.server_id)

    with pytest.raises(BuildFailed, match="on demand"):
        await everything()
    assert await disks.inventory() == (set() if point == "disks.assemble" else {build.server_id})
