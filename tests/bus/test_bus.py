"""The bus over a real broker: queues, answers, news, faults, and a broker that goes away."""

import asyncio

import nats.aio.client
import pytest

from kilonova.bus import subjects
from kilonova.bus.bus import NatsBus
from kilonova.bus.faults import Faults
from kilonova.bus.port import Bus, Delivery, Handlers, Parcel
from kilonova.errors import BuildFailed, Conflict, Unavailable
from tests.bus.conftest import Broker, Connect
from tests.bus.words import Confirmed, Given, Notes, Order, Report, Wanted, fails_first, until

pytestmark = pytest.mark.wire


def test_nats_bus_is_a_bus() -> None:
    bus: type[Bus] = NatsBus
    assert bus is NatsBus


async def cloud(connect: Connect, broker: Broker, observer: Faults | None = None) -> tuple[NatsBus, NatsBus]:
    """Control, with a queue for host-1, and the node that serves it."""
    control = await connect("control", observer=observer)
    await control.ensure_streams()
    await control.ensure_queue("compute", "host-1")
    return control, await connect("node-1", broker.node("node-1", ["host-1"]))


async def test_an_order_reaches_its_node(broker: Broker, connect: Connect) -> None:
    control, node = await cloud(connect, broker)
    notes = Notes()
    await node.serve_queue("compute", "host-1", {Order: notes.note})
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    await control.put("compute.host-1", Order(server="s1"), message_id="m1", traceparent=trace)
    await notes.until(1)
    message, delivery = notes.came[0]
    assert message == Order(server="s1")
    assert (delivery.kind, delivery.traceparent, delivery.redelivered) == ("Order", trace, 0)
    assert 0 <= delivery.queue_wait_s < 30
    assert not node.refused


async def test_what_lies_in_a_queue_waits_for_its_node_and_a_repeat_is_dropped(broker: Broker, connect: Connect) -> None:
    control, node = await cloud(connect, broker)
    for _ in range(2):
        await control.put("compute.host-1", Order(server="s1"), message_id="same")
    await control.put("compute.host-1", Order(server="s2"), message_id="other")
    notes = Notes()
    await node.serve_queue("compute", "host-1", {Order: notes.note}, sure=True)
    await notes.until(2)
    assert sorted(message.server for message in notes.messages if isinstance(message, Order)) == ["s1", "s2"]


async def test_many_are_put_at_once_and_each_is_answered_for(broker: Broker, connect: Connect) -> None:
    control, node = await cloud(connect, broker)
    notes = Notes()
    await node.serve_queue("compute", "host-1", {Order: notes.note})
    parcels = [Parcel(queue="compute.host-1", message=Order(server=f"s{n}"), message_id=f"m{n}") for n in range(300)]
    assert await control.put_many(parcels) == {f"m{n}" for n in range(300)}
    await notes.until(300)
    assert len(set(notes.messages)) == 300
    assert await control.put_many([]) == set()


async def test_a_handler_that_fails_gets_its_message_again(broker: Broker, connect: Connect) -> None:
    control, node = await cloud(connect, broker)
    notes = Notes()
    await node.serve_queue("compute", "host-1", {Order: fails_first(1, notes.note)})
    await control.put("compute.host-1", Order(server="s1"), message_id="m1")
    await notes.until(1)
    assert notes.came[0][1].redelivered == 1


async def test_what_nobody_can_read_is_put_aside_once(broker: Broker, connect: Connect) -> None:
    control, node = await cloud(connect, broker)
    raw = await nats.connect(broker.url, user_credentials=nats.aio.client.RawCredentials(broker.control))
    head = {"Kilonova-Message": "Order", "Kilonova-Version": "1"}
    await raw.publish("queue.compute.host-1", b"\xc1 no msgpack", headers=head)
    await raw.publish("queue.compute.host-1", b"\x80", headers=head)  # no `server`
    await raw.publish("queue.compute.host-1", b"\x80", headers=head | {"Kilonova-Version": "99"})
    await raw.publish("queue.compute.host-1", b"no headers at all")
    await control.put("compute.host-1", Report(server="not an order"), message_id="m0")
    await control.put("compute.host-1", Order(server="s1"), message_id="m1")
    notes = Notes()
    await node.serve_queue("compute", "host-1", {Order: notes.note})
    await notes.until(1)
    await until(lambda: node.unreadable == 5)
    info = await raw.jetstream().stream_info(subjects.ORDERS)
    async with asyncio.timeout(30):
        while info.state.messages:
            info = await raw.jetstream().stream_info(subjects.ORDERS)
    await raw.close()
    assert notes.messages == [Order(server="s1")]
    assert node.unreadable == 5


async def test_a_closed_node_gives_back_what_it_has_not_finished(broker: Broker, connect: Connect) -> None:
    control, node = await cloud(connect, broker)
    started, notes = asyncio.Event(), Notes()

    async def never_ends(message: Order, delivery: Delivery) -> None:
        started.set()
        await asyncio.Event().wait()

    await node.serve_queue("compute", "host-1", {Order: never_ends})
    await control.put("compute.host-1", Order(server="s1"), message_id="m1")
    await asyncio.wait_for(started.wait(), 30)
    await node.close()
    again = await connect("node-1", broker.node("node-1", ["host-1"]))
    await again.serve_queue("compute", "host-1", {Order: notes.note})
    await notes.until(1, timeout_s=20)  # the broker's own patience ends after 30 s
    assert notes.came[0][1].redelivered >= 1


async def test_control_has_the_unfinished_delivered_again_at_once(broker: Broker, connect: Connect) -> None:
    control, node = await cloud(connect, broker)
    started, notes = asyncio.Event(), Notes()

    async def never_ends(message: Order, delivery: Delivery) -> None:
        started.set()
        await asyncio.Event().wait()

    await node.serve_queue("compute", "host-1", {Order: never_ends})
    await control.put("compute.host-1", Order(server="s1"), message_id="m1")
    await asyncio.wait_for(started.wait(), 30)
    second = await connect("node-1", broker.node("node-1", ["host-1"]))
    await second.serve_queue("compute", "host-1", {Order: notes.note})
    await control.redeliver("compute", "host-1")
    await notes.until(1, timeout_s=20)


async def test_a_compute_node_waits_for_the_network_nodes_answer(broker: Broker, connect: Connect) -> None:
    control, node = await cloud(connect, broker)
    await control.ensure_queue("network", "net-1")
    network = await connect("net-1", broker.node("net-1", [], "network"))

    async def wire(message: Wanted, delivery: Delivery) -> None:
        await delivery.answer(Given(server=message.server, tap="tap0") if message.server == "s1" else BuildFailed("No bridge."))

    await network.serve_queue("network", "net-1", {Wanted: wire})
    parcel = Parcel(queue="network.net-1", message=Wanted(server="s1"), message_id="w1")
    for _ in range(2):  # the same order carried out again within the broker's window gets an answer as well
        given = await node.put_and_wait(parcel, Given, timeout_s=20, again_every_s=10)
        assert given == Given(server="s1", tap="tap0")
    refused = Parcel(queue="network.net-1", message=Wanted(server="s2"), message_id="w2")
    with pytest.raises(BuildFailed, match="No bridge"):
        await node.put_and_wait(refused, Given, timeout_s=20, again_every_s=10)
    assert not node.refused and not network.refused


async def test_a_lost_answer_is_asked_for_again(broker: Broker, connect: Connect) -> None:
    control, node = await cloud(connect, broker)
    await control.ensure_queue("network", "net-1")
    faults = Faults()
    faults.lose("Given")
    network = await connect("net-1", broker.node("net-1", [], "network"), observer=faults)

    async def wire(message: Wanted, delivery: Delivery) -> None:
        await delivery.answer(Given(server=message.server, tap="tap0"))

    await network.serve_queue("network", "net-1", {Wanted: wire})
    parcel = Parcel(queue="network.net-1", message=Wanted(server="s1"), message_id="w1")
    assert await node.put_and_wait(parcel, Given, timeout_s=30, again_every_s=0.2) == Given(server="s1", tap="tap0")
    assert faults.fired["lose", "Given"] == 1
    assert faults.seen["Wanted"] >= 2


async def test_nobody_answers_in_time(broker: Broker, connect: Connect) -> None:
    control, node = await cloud(connect, broker)
    await control.ensure_queue("network", "net-1")
    parcel = Parcel(queue="network.net-1", message=Wanted(server="s1"), message_id="w1")
    with pytest.raises(Unavailable):
        await node.put_and_wait(parcel, Given, timeout_s=0.3, again_every_s=0.1)
    with pytest.raises(Unavailable):
        await control.ask("ask.nobody", Report(server="s1"), 0.2, Confirmed)


async def test_a_report_is_confirmed_refused_and_waits_for_control(broker: Broker, connect: Connect) -> None:
    control, node = await cloud(connect, broker)
    senders: list[str] = []

    async def confirm(report: Report, delivery: Delivery) -> Confirmed:
        senders.append(subjects.sender(delivery.subject))
        if report.server == "gone":
            raise Conflict("It is not in a state that allows this.")
        if report.server == "bug":
            raise RuntimeError("asked to fail")
        return Confirmed(server=report.server)

    early = asyncio.create_task(node.ask(subjects.report_subject("node-1"), Report(server="s1"), 20, Confirmed))
    await asyncio.sleep(0.2)  # nobody answers yet
    await control.answer("report.*", subjects.CONTROL, {Report: confirm})
    assert await early == Confirmed(server="s1")
    with pytest.raises(Conflict, match="not in a state"):
        await node.ask(subjects.report_subject("node-1"), Report(server="gone"), 20, Confirmed)
    with pytest.raises(Unavailable):
        await node.ask(subjects.report_subject("node-1"), Report(server="bug"), 20, Confirmed)
    with pytest.raises(Unavailable):
        await node.ask(subjects.report_subject("node-1"), Order(server="a kind control does not know"), 20, Confirmed)
    assert set(senders) == {"node-1"}


async def test_control_asks_a_node(broker: Broker, connect: Connect) -> None:
    control, node = await cloud(connect, broker)

    async def tell(question: Wanted, delivery: Delivery) -> Given:
        return Given(server=question.server, tap="tap7")

    await node.answer(subjects.ask_subject("node-1"), "node-1", {Wanted: tell})
    assert await control.ask(subjects.ask_subject("node-1"), Wanted(server="s1"), 20, Given) == Given(server="s1", tap="tap7")


async def test_the_live_view_is_heard_in_order_even_after_a_handler_failed(broker: Broker, connect: Connect) -> None:
    control, node = await cloud(connect, broker)
    notes = Notes()
    await control.listen("live.>", {Report: fails_first(1, notes.note)})
    await asyncio.sleep(0.2)  # until the broker knows that control listens
    for n in range(21):
        await node.tell(subjects.live_subject("node-1", "s1"), Report(server=f"{n}"))
    await notes.until(20)
    assert notes.messages == [Report(server=f"{n}") for n in range(1, 21)]


async def test_news_are_kept(broker: Broker, connect: Connect) -> None:
    control, _ = await cloud(connect, broker)
    for _ in range(2):
        await control.announce("instance.create.end", {"server": "s1"}, "n1")
    raw = await nats.connect(broker.url, user_credentials=nats.aio.client.RawCredentials(broker.control))
    info = await raw.jetstream().stream_info(subjects.NEWS)
    news = await raw.jetstream().get_msg(subjects.NEWS, seq=1)
    await raw.close()
    assert info.state.messages == 1
    assert (news.subject, news.data) == ("news.instance.create.end", b'{"server":"s1"}')


async def test_lost_repeated_and_delayed_on_demand(broker: Broker, connect: Connect) -> None:
    faults = Faults()
    control, node = await cloud(connect, broker, faults)
    notes = Notes()
    await node.serve_queue("compute", "host-1", {Order: notes.note})
    faults.lose("Order")
    await control.put("compute.host-1", Order(server="lost"), message_id="m1")
    faults.repeat("Order")
    await control.put("compute.host-1", Order(server="twice"), message_id="m2")
    faults.delay("Order", 0.2)
    await control.put("compute.host-1", Order(server="late"), message_id="m3")
    await notes.until(3)
    assert notes.messages == [Order(server="twice"), Order(server="twice"), Order(server="late")]
    assert faults.fired == {("lose", "Order"): 1, ("repeat", "Order"): 1, ("delay", "Order"): 1}


async def test_a_hundred_queues_on_one_connection(broker: Broker, connect: Connect) -> None:
    hosts = [f"sim-{n}" for n in range(100)]
    control = await connect("control")
    await control.ensure_streams()
    await asyncio.gather(*(control.ensure_queue("compute", host) for host in hosts))
    node = await connect("node-1", broker.node("node-1", hosts))
    notes = Notes()
    handlers: Handlers = {Order: notes.note}
    for host in hosts:
        await node.serve_queue("compute", host, handlers)
    acked = await control.put_many(
        [Parcel(queue=f"compute.{host}", message=Order(server=host), message_id=host) for host in hosts]
    )
    assert acked == set(hosts)
    await notes.until(100)
    assert set(notes.messages) == {Order(server=host) for host in hosts}


async def test_names_with_dots_and_other_signs_have_queues_too(broker: Broker, connect: Connect) -> None:
    host, name = "host 1.example.org", "nöde.1"
    control = await connect("control")
    await control.ensure_streams()
    await control.ensure_queue("compute", host)
    node = await connect(name, broker.node(name, [host]))
    notes = Notes()
    await node.serve_queue("compute", host, {Order: notes.note})
    await control.put(subjects.queue("compute", host), Order(server="s1"), message_id="m1")
    await notes.until(1)
    assert not node.refused


async def test_the_broker_is_killed_and_comes_back_with_its_data(broker: Broker, connect: Connect) -> None:
    control, node = await cloud(connect, broker)
    notes = Notes()
    await node.serve_queue("compute", "host-1", {Order: notes.note})
    await control.put("compute.host-1", Order(server="s1"), message_id="m1")
    await notes.until(1)
    await broker.kill()
    await until(lambda: not node.connected and not control.connected)
    late = asyncio.create_task(control.put("compute.host-1", Order(server="s2"), message_id="m2"))
    await broker.start()
    await late
    await until(lambda: Order(server="s2") in notes.messages)  # s1 may come again: its ack may have died with the broker


async def test_control_knows_whether_it_reaches_the_broker(broker: Broker, connect: Connect) -> None:
    """Also where the connection seems to be there, and nobody answers."""
    control, _ = await cloud(connect, broker)
    await control.reach_broker()
    async with broker.frozen():
        assert control.connected
        with pytest.raises(Unavailable):
            await control.reach_broker()
    await control.reach_broker()
    await broker.kill()
    with pytest.raises(Unavailable):
        await control.reach_broker()
    await broker.start()
    await control.reach_broker()


async def test_the_broker_comes_back_without_its_data(broker: Broker, connect: Connect) -> None:
    back = asyncio.Event()

    async def came_back() -> None:
        back.set()

    control = NatsBus(on_reconnect=came_back)
    await control.connect(broker.url, broker.control, "control", timeout_s=20)
    try:
        await control.ensure_streams()
        await control.ensure_queue("compute", "host-1")
        node = await connect("node-1", broker.node("node-1", ["host-1"]))
        notes = Notes()
        await node.serve_queue("compute", "host-1", {Order: notes.note})
        await broker.kill()
        broker.delete_data()
        await broker.start()
        await asyncio.wait_for(back.wait(), 30)
        await control.put("compute.host-1", Order(server="s1"), message_id="m1")
        await notes.until(1)
    finally:
        await control.close()


async def test_streams_that_vanish_under_a_living_connection_are_made_again(broker: Broker, connect: Connect) -> None:
    control, node = await cloud(connect, broker)
    notes = Notes()
    await node.serve_queue("compute", "host-1", {Order: notes.note})
    raw = await nats.connect(broker.url, user_credentials=nats.aio.client.RawCredentials(broker.control))
    await raw.jetstream().delete_stream(subjects.ORDERS)
    await raw.close()
    with pytest.raises(Unavailable):
        await control.put("compute.host-1", Order(server="s1"), message_id="m1")
    async with asyncio.timeout(30):
        while not await control.put_many([Parcel(queue="compute.host-1", message=Order(server="s1"), message_id="m2")]):
            await asyncio.sleep(0.05)
    await notes.until(1)


async def test_a_broker_whose_files_were_deleted_under_it_is_mended(
    broker: Broker, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    control, node = await cloud(connect, broker)
    notes = Notes()
    await node.serve_queue("compute", "host-1", {Order: notes.note})
    await control.put("compute.host-1", Order(server="s1"), message_id="m1")
    await notes.until(1)
    monkeypatch.setattr("kilonova.bus.bus.PUT_WITHIN_S", 0.3)
    broker.delete_data()
    refused, tried = 0, 0
    async with asyncio.timeout(60):
        while not refused or Order(server="last") not in notes.messages:
            tried += 1  # the broker takes some as long as it has the deleted file open
            name = "last" if refused else "before"
            parcel = Parcel(queue="compute.host-1", message=Order(server=name), message_id=f"n{tried}")
            refused += not await control.put_many([parcel])
            await asyncio.sleep(0.02)


async def test_without_a_broker_every_wait_ends(broker: Broker, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    control, node = await cloud(connect, broker)
    monkeypatch.setattr("kilonova.bus.bus.PUT_WITHIN_S", 0.2)
    await broker.kill()
    await until(lambda: not node.connected and not control.connected)
    with pytest.raises(Unavailable):
        await control.put("compute.host-1", Order(server="s1"), message_id="m1")
    with pytest.raises(Unavailable):
        await node.ask(subjects.report_subject("node-1"), Report(server="s1"), 0.2, Confirmed)
    await node.tell(subjects.live_subject("node-1", "s1"), Report(server="s1"))
    late = NatsBus()
    with pytest.raises(Unavailable):
        await late.connect(broker.url, broker.control, "control", timeout_s=0.3)
