"""The bus within one process behaves as the one over NATS does."""

import asyncio

import pytest

from kilonova.bus import simulated
from kilonova.bus.faults import Faults
from kilonova.bus.port import Bus, Delivery, Parcel
from kilonova.bus.simulated import LocalBroker, LocalBus
from kilonova.errors import BuildFailed, Unavailable
from tests.bus.words import Confirmed, Given, Notes, Order, Report, Wanted, fails_first


def test_local_bus_is_a_bus() -> None:
    bus: type[Bus] = LocalBus
    assert bus is LocalBus


async def test_an_order_waits_reaches_its_node_and_comes_again_when_its_handler_fails() -> None:
    broker, notes = LocalBroker(), Notes()
    control, node = LocalBus(broker, "control"), LocalBus(broker, "node-1")
    for _ in range(2):
        await control.put("compute.host-1", Order(server="s1"), message_id="m1", traceparent="t")
    await node.serve_queue("compute", "host-1", {Order: fails_first(1, notes.note)})
    await notes.until(1)
    assert [(m, d.redelivered, d.traceparent) for m, d in notes.came] == [(Order(server="s1"), 1, "t")]
    await control.close()
    await node.close()
    assert not broker.in_hand["queue.compute.host-1"] and not broker.waiting["queue.compute.host-1"]


async def test_the_same_id_is_taken_again_after_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "DUPLICATE_WINDOW_S", 0.05)
    broker, notes = LocalBroker(), Notes()
    bus = LocalBus(broker, "both")
    await bus.serve_queue("compute", "host-1", {Order: notes.note})
    await bus.put("compute.host-1", Order(server="s1"), message_id="m1")
    await asyncio.sleep(0.1)
    await bus.put("compute.host-1", Order(server="s1"), message_id="m1")
    await notes.until(2)
    await bus.close()


async def test_a_closed_node_gives_back_and_another_goes_on() -> None:
    broker, notes, started = LocalBroker(), Notes(), asyncio.Event()
    control, node, again = (LocalBus(broker, name) for name in ("control", "node-1", "node-1"))

    async def never_ends(message: Order, delivery: Delivery) -> None:
        started.set()
        await asyncio.Event().wait()

    await node.serve_queue("compute", "host-1", {Order: never_ends})
    await control.put("compute.host-1", Order(server="s1"), message_id="m1")
    await started.wait()
    await control.put("compute.host-1", Order(server="s2"), message_id="m2")  # not even begun
    await node.close()
    await again.serve_queue("compute", "host-1", {Order: notes.note})
    await notes.until(2)
    assert notes.messages == [Order(server="s1"), Order(server="s2")]
    await again.close()
    await control.close()


async def test_questions_answers_and_what_is_unreadable() -> None:
    broker, notes = LocalBroker(), Notes()
    control, node, network = (LocalBus(broker, name) for name in ("control", "node-1", "net-1"))

    async def wire(message: Wanted, delivery: Delivery) -> None:
        await delivery.answer(Given(server=message.server, tap="t") if message.server == "s1" else BuildFailed("No bridge."))

    async def confirm(report: Report, delivery: Delivery) -> Confirmed:
        return Confirmed(server=report.server)

    early = asyncio.create_task(node.ask("report.node-1", Report(server="s1"), 20, Confirmed))
    await asyncio.sleep(0)
    await control.answer("report.*", "control", {Report: confirm})
    assert await early == Confirmed(server="s1")
    await network.serve_queue("network", "net-1", {Wanted: wire})
    parcel = Parcel(queue="network.net-1", message=Wanted(server="s1"), message_id="w1")
    for _ in range(2):
        assert await node.put_and_wait(parcel, Given, timeout_s=20, again_every_s=10) == Given(server="s1", tap="t")
    with pytest.raises(BuildFailed, match="No bridge"):
        bad = Parcel(queue="network.net-1", message=Wanted(server="s2"), message_id="w2")
        await node.put_and_wait(bad, Given, timeout_s=20, again_every_s=10)
    with pytest.raises(Unavailable):
        await node.ask("ask.nobody", Report(server="s1"), 0.1, Confirmed)
    await control.listen("live.>", {Report: notes.note})
    for n in range(5):
        await node.tell("live.node-1.s1", Report(server=f"{n}"))
    await notes.until(5)
    assert notes.messages == [Report(server=f"{n}") for n in range(5)]
    await node.put("network.net-1", Order(server="unknown here"), message_id="m9")
    await asyncio.sleep(0.05)
    assert network.unreadable == 1 and not broker.in_hand["queue.network.net-1"]
    for bus in (control, node, network):
        await bus.close()


async def test_what_a_process_that_died_has_asked_is_not_answered_to_the_next_of_its_name() -> None:
    """Seed 20523: a report of a node that had come back was "confirmed" by a volume's address, and it never reported again."""
    broker = LocalBroker()
    control, network, first, second = (LocalBus(broker, name) for name in ("control", "net-1", "node-1", "node-1"))
    asked: list[Delivery] = []

    async def keep(message: Wanted, delivery: Delivery) -> None:
        asked.append(delivery)

    async def confirm(report: Report, delivery: Delivery) -> Confirmed:
        for one in asked:
            await one.answer(Given(server="s1", tap="late"))
        return Confirmed(server=report.server)

    await network.serve_queue("network", "net-1", {Wanted: keep})
    await control.answer("report.*", "control", {Report: confirm})
    parcel = Parcel(queue="network.net-1", message=Wanted(server="s1"), message_id="w1")
    for bus in (first, second):
        with pytest.raises(Unavailable):
            await bus.put_and_wait(parcel, Given, timeout_s=0.05, again_every_s=1)
        if bus is first:
            await first.close()
            assert await second.ask("report.node-1", Report(server="s1"), 20, Confirmed) == Confirmed(server="s1")
    assert len(asked) == 2, "what the second asks is no repetition of what the first has asked"
    for bus in (control, network, second):
        await bus.close()


async def test_an_answer_that_cannot_be_read_is_none() -> None:
    """As over NATS: whoever has asked tries again, or gives up, but does not fall over it."""
    broker = LocalBroker()
    control, node = LocalBus(broker, "control"), LocalBus(broker, "node-1")

    async def answer(report: Report, delivery: Delivery) -> Given:
        return Given(server=report.server, tap="t")

    await control.answer("report.*", "control", {Report: answer})
    with pytest.raises(Unavailable, match="does not understand"):
        await node.ask("report.node-1", Report(server="s1"), 20, Confirmed)
    for bus in (control, node):
        await bus.close()


async def test_only_one_of_a_group_answers() -> None:
    broker, asked = LocalBroker(), [0, 0]
    buses = [LocalBus(broker, f"control-{n}") for n in range(2)]

    def answerer(which: int) -> object:
        async def confirm(report: Report, delivery: Delivery) -> Confirmed:
            asked[which] += 1
            return Confirmed(server=report.server)

        return confirm

    for which, bus in enumerate(buses):
        await bus.answer("report.*", "control", {Report: answerer(which)})  # type: ignore[dict-item]
    for _ in range(10):
        await buses[0].ask("report.node-1", Report(server="s1"), 20, Confirmed)
    assert asked == [5, 5]
    for bus in buses:
        await bus.close()


async def test_lost_repeated_and_delayed_on_demand() -> None:
    broker, faults, notes = LocalBroker(redeliver_after_s=0.05), Faults(), Notes()
    control, node = LocalBus(broker, "control", faults), LocalBus(broker, "node-1", faults)
    await node.serve_queue("compute", "host-1", {Order: notes.note})
    faults.lose("Order")
    await control.put("compute.host-1", Order(server="lost"), message_id="m1")
    faults.repeat("Order")
    faults.delay("Order", 0.05)
    await control.put("compute.host-1", Order(server="twice"), message_id="m2")
    await control.put("compute.host-1", Order(server="late"), message_id="m3")
    await notes.until(3)
    faults.lose("Order", on_arrival=True)
    await control.put("compute.host-1", Order(server="again"), message_id="m4")
    await notes.until(4)
    assert [m.server for m in notes.messages if isinstance(m, Order)] == ["twice", "twice", "late", "again"]
    assert notes.came[-1][1].redelivered == 1
    assert sum(faults.fired.values()) == 4
    for bus in (control, node):
        await bus.close()
