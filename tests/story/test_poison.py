"""A report that control cannot take is set aside by itself: whatever else its node has to say is heard."""

import pytest

from kilonova.build.admit import OrderWorld
from kilonova.build.report import TaskDone
from kilonova.nodes import control
from tests.story.conftest import CloudOf
from tests.story.deeds import DEEDS
from tests.story.ending import built, deleted


async def test_one_bad_report_holds_up_no_other(cloud_of: CloudOf, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = await cloud_of(hosts=1)
    first, second = await cloud.build(), await cloud.build()
    await built(cloud, first)
    await built(cloud, second)
    note = control.note_action
    refused = []

    def cannot(report: TaskDone, world: OrderWorld) -> None:
        if report.server_id == first:
            refused.append(report)
            raise ZeroDivisionError("nobody has thought of this")
        note(report, world)

    with monkeypatch.context() as patched:
        patched.setitem(control.WHO_NOTES, TaskDone, cannot)
        await DEEDS["stop"].ask(cloud, first)
        await DEEDS["stop"].ask(cloud, second)
        await cloud.wait_for(second, "SHUTOFF")
        assert refused
    assert await cloud.delete(first) == 204
    await cloud.wait_for(first, "DELETED")
    await deleted(cloud, second)
