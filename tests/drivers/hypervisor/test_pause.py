"""A real guest that stands still and goes on, also for the next process of its role."""

import pytest

from kilonova.drivers.disks.local import QcowDisks
from kilonova.errors import NotFound
from kilonova.model.ids import ServerId
from tests.drivers.builds import FileFetch, qemus_of
from tests.drivers.hypervisor.conftest import Restart
from tests.drivers.hypervisor.test_qemu import built

pytestmark = pytest.mark.qemu


async def test_it_stands_still_until_it_may_go_on(hypervisors: Restart, disks: QcowDisks, fetch: FileFetch) -> None:
    first = hypervisors()
    build, made = await built(disks, fetch)
    guest = await first.start(build, made)
    await first.pause(build.server_id)
    await first.pause(build.server_id)
    assert await first.guests() == {build.server_id: "paused"}
    await first.close()
    second = hypervisors()
    assert await second.guests() == {build.server_id: "paused"}
    assert (await second.start(build, made)).pid == guest.pid, "one that is paused is there already"
    assert await second.guests() == {build.server_id: "paused"}
    await second.unpause(build.server_id)
    await second.unpause(build.server_id)
    await second.interrupt(build.server_id)
    assert await second.guests() == {build.server_id: "running"}
    await second.stop_now(build.server_id)
    assert qemus_of(build.server_id) == []
    for tell in (second.pause, second.unpause, second.interrupt):
        with pytest.raises(NotFound):
            await tell(ServerId("other"))
