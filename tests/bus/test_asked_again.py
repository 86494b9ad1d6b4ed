"""Whoever had a question or an order may die with it: it is asked again soon, and nobody waits for a clock that is far away."""

import asyncio
import time

import pytest

from kilonova.bus import subjects
from kilonova.bus.bus import STILL_THERE_S
from kilonova.bus.port import Delivery, Parcel
from tests.bus.conftest import Broker, Connect
from tests.bus.words import Confirmed, Given, Report, Wanted, until

pytestmark = pytest.mark.wire
FAR_AWAY_S = 60.0


async def test_a_question_whose_taker_has_died_is_put_to_the_next_one(broker: Broker, connect: Connect) -> None:
    first, second = await connect("control"), await connect("control")
    node = await connect("node-1", broker.node("node-1", ["host-1"]))
    taken = asyncio.Event()

    async def never(report: Report, delivery: Delivery) -> Confirmed:
        taken.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def confirm(report: Report, delivery: Delivery) -> Confirmed:
        return Confirmed(server=report.server)

    await first.answer("report.*", subjects.CONTROL, {Report: never})
    question = asyncio.create_task(node.ask(subjects.report_subject("node-1"), Report(server="s1"), FAR_AWAY_S, Confirmed))
    await asyncio.wait_for(taken.wait(), 20)
    began = time.monotonic()
    await first.close()
    await second.answer("report.*", subjects.CONTROL, {Report: confirm})
    assert await asyncio.wait_for(question, 20) == Confirmed(server="s1")
    assert time.monotonic() - began < 20 * STILL_THERE_S < FAR_AWAY_S


async def test_who_takes_long_is_asked_again_but_works_on_it_once(broker: Broker, connect: Connect) -> None:
    control = await connect("control")
    node = await connect("node-1", broker.node("node-1", ["host-1"]))
    asked: list[Report] = []

    async def slow(report: Report, delivery: Delivery) -> Confirmed:
        asked.append(report)
        await asyncio.sleep(3.5 * STILL_THERE_S)
        return Confirmed(server="at last")

    await control.answer("report.*", subjects.CONTROL, {Report: slow})
    for count in (1, 2):
        answer = await node.ask(subjects.report_subject("node-1"), Report(server="s1"), FAR_AWAY_S, Confirmed)
        assert answer == Confirmed(server="at last")
        assert len(asked) == count


async def test_what_is_waited_for_is_asked_again_as_soon_as_the_broker_is_back(broker: Broker, connect: Connect) -> None:
    control = await connect("control")
    await control.ensure_streams()
    await control.ensure_queue("network", "net-1")
    node = await connect("node-1", broker.node("node-1", ["host-1"]))
    network = await connect("net-1", broker.node("net-1", [], "network"))
    came: list[Wanted] = []

    async def wire(message: Wanted, delivery: Delivery) -> None:
        came.append(message)
        if len(came) > 1:  # the first is done, and its answer dies with the broker
            await delivery.answer(Given(server=message.server, tap="tap0"))

    await network.serve_queue("network", "net-1", {Wanted: wire})
    parcel = Parcel(queue="network.net-1", message=Wanted(server="s1"), message_id="w1")
    wait = asyncio.create_task(node.put_and_wait(parcel, Given, timeout_s=2 * FAR_AWAY_S, again_every_s=FAR_AWAY_S))
    await until(lambda: bool(came))
    await asyncio.sleep(0.2)  # its acknowledgement has come in: it is not delivered again
    began = time.monotonic()
    await broker.kill()
    await broker.start()
    assert await asyncio.wait_for(wait, 40) == Given(server="s1", tap="tap0")
    assert time.monotonic() - began < FAR_AWAY_S


async def test_control_is_told_whenever_there_were_no_queues(broker: Broker, connect: Connect) -> None:
    told: list[str] = []

    async def emptied() -> None:
        told.append("emptied")

    control = await connect("control")
    await control.ensure_streams(emptied)
    assert len(told) == 1, "a new broker has none"
    await control.ensure_streams()
    await (await connect("control")).ensure_streams(emptied)
    assert len(told) == 1, "they are there"
    await broker.kill()
    await broker.start()
    await until(lambda: control.connected)
    assert len(told) == 1, "it came back with its data"
    await broker.kill()
    broker.delete_data()
    await broker.start()
    await until(lambda: len(told) > 1)
