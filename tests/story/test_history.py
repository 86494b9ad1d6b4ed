"""What the history of a build says of its time in the queue, whichever of those who know a part of it comes first."""

from collections.abc import Callable, Sequence, Set
from types import SimpleNamespace

import pytest

from kilonova.bus.port import Parcel
from kilonova.model.ids import ServerId
from kilonova.model.span import Span
from kilonova.nodes.relay import KEPT_S, Halves, Relay
from kilonova.sim import SimulatedCloud
from tests.story.conftest import CloudOf
from tests.story.ending import built

CONTROLS_OWN = {"control_admit", "control_choose_host", "control_write_order", "control_answer", "bus_drop_into_queue"}


async def named(cloud: SimulatedCloud, server_id: str) -> None:
    """Until the history has all that control knows of the build."""

    async def whole() -> bool:
        (build,) = await cloud.ledger.read(lambda tx: list(tx.actions.of_server(server_id)))
        return {event.event for event in build.events} >= CONTROLS_OWN

    await cloud.until(whole, "all that control knows of the build")


async def test_the_desk_is_late(cloud_of: CloudOf, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = await cloud_of(hosts=1)
    told: list[Callable[[], None]] = []
    timed = Relay.timed

    def later(relay: Relay, server_id: str, spans: tuple[Span, ...]) -> None:
        told.append(lambda: timed(relay, server_id, spans))

    monkeypatch.setattr(Relay, "timed", later)
    await built(cloud, server_id := await cloud.build())
    (tell,) = told
    tell()
    await named(cloud, server_id)


async def test_the_broker_is_late(cloud_of: CloudOf, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = await cloud_of(hosts=1)
    bus = cloud.control.bus
    refused: list[str] = []
    put_many = bus.put_many

    async def not_the_first(parcels: Sequence[Parcel]) -> Set[str]:
        if len(refused) < 2:
            refused.extend(parcel.message_id for parcel in parcels)
            return set()
        taken: Set[str] = await put_many(parcels)
        return taken

    monkeypatch.setattr(bus, "put_many", not_the_first)
    await built(cloud, server_id := await cloud.build())
    assert refused
    await named(cloud, server_id)


def test_a_half_whose_other_never_comes_waits_for_so_long() -> None:
    halves, answer = Halves(), Span(step=5, name="answer", place="control", started_at=1000.0, work=0.01)
    asked, sent = ServerId("asked"), ServerId("sent")
    halves.timed[asked] = (answer,)
    halves.dropped([SimpleNamespace(kind="build", server_id=sent, host="compute-1")], 1000.0)
    halves.written((), 1000.0 + KEPT_S)
    assert halves.due(1000.0 + KEPT_S) == {}, "it may still come"
    assert halves.due(1001.0 + KEPT_S) == {asked: (answer,)}, "another control process has sent it"
    halves.written([asked], 1001.0 + KEPT_S)
    halves.timed[sent] = (answer,)
    assert halves.due(1000.0 + KEPT_S) == {}, "its hop was dropped, and nothing else is kept"
