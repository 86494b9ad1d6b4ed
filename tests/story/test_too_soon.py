"""Nothing is confirmed, sent again, begun or freed before its time; what comes late, or twice, finds that it is over."""

import asyncio
import math
import time
from typing import Any

import pytest
from msgspec.structs import replace

from kilonova.build.report import BuildProgress
from kilonova.bus.port import Parcel
from kilonova.bus.simulated import LocalBus
from kilonova.model.ids import HostName, ServerId, new_uuid
from kilonova.nodes.sweeper import Sweeper
from kilonova.sim.faults import fail
from tests.story.conftest import CloudOf
from tests.story.deeds import DEEDS
from tests.story.ending import built, deleted
from tests.story.holding import AGAIN, a_while, before, held, until
from tests.story.test_deadlines_pass import WITH_VOLUMES, ask, becomes, new_volume


async def test_an_order_is_in_the_journal_when_it_is_acknowledged(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    hold, server_id = await held(cloud, "take_order", cloud.build())
    hold.released.set()
    await built(cloud, server_id)
    node = cloud.computes["compute-1"].node
    another = replace(hold.moments[0].record, server_id=ServerId(new_uuid()), deadline=time.time() + 60, ports=())
    await node.take_build(another, AGAIN)
    assert [entry.saga for entry in node.journal.entries()] == ["build"]
    await until(cloud, lambda: not node.journal.entries(), "the end of it")


async def test_an_order_that_comes_twice_is_carried_out_once(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    hold, server_id = await held(cloud, "assemble_disks", cloud.build())
    node = cloud.computes["compute-1"].node
    await node.take_build(hold.moments[0].record, AGAIN)
    await a_while()
    assert (before(cloud, "take_order"), before(cloud, "assemble_disks")) == (1, 1), "while it is under way"
    hold.released.set()
    await built(cloud, server_id)
    await node.take_build(hold.moments[0].record, AGAIN)
    await a_while()
    assert before(cloud, "take_order") == 1, "after its end"
    await deleted(cloud, server_id)
    await node.take_build(hold.moments[0].record, AGAIN)
    await a_while()
    assert before(cloud, "take_order") == 1, "after the server's end"
    assert await cloud.clean() == []


async def test_actions_on_one_server_wait_for_each_other(cloud_of: CloudOf) -> None:
    """The first has no task state, so the API lets the second in."""
    cloud = await cloud_of(hosts=1)
    await built(cloud, server_id := await cloud.build())
    hold, _ = await held(cloud, "plug_in", DEEDS["attach_interface"].ask(cloud, server_id))
    await DEEDS["stop"].ask(cloud, server_id)
    await until(cloud, lambda: cloud.messages.seen["Stop"] >= 1, "the order to arrive")
    await a_while()
    assert before(cloud, "shut_down_guest") == 0
    hold.released.set()
    assert (await DEEDS["stop"].ended(cloud, server_id)).status == "SHUTOFF"
    await deleted(cloud, server_id)


async def test_an_order_that_comes_again_takes_nothing_from_one_that_waits(cloud_of: CloudOf) -> None:
    """Seed 20301: what waited failed at the wires, since its trace had been closed with the end of the other."""
    cloud = await cloud_of(hosts=1, send_again_after_s=1e6)
    await built(cloud, server_id := await cloud.build())
    hold, _ = await held(cloud, "plug_in", DEEDS["attach_interface"].ask(cloud, server_id))
    await DEEDS["reboot"].ask(cloud, server_id)
    await until(cloud, lambda: cloud.messages.seen["Reboot"] >= 1, "the order to arrive")
    await a_while()
    again = asyncio.create_task(cloud.computes["compute-1"].node.take_task(hold.moments[0].record, AGAIN))
    await asyncio.sleep(0)
    hold.released.set()
    assert (await DEEDS["reboot"].ended(cloud, server_id)).status == "ACTIVE"
    await again
    reboot = (await cloud.ledger.read(lambda tx: list(tx.actions.of_server(server_id))))[0]
    assert (reboot.action, reboot.message) == ("reboot", None)
    _, spans = await cloud.ledger.read(lambda tx: tx.actions.spans(server_id, reboot.request_id))
    assert [span.name for span in spans].count("wire_ports") == 1
    await deleted(cloud, server_id)


async def test_an_action_that_a_deletion_has_stopped_does_not_begin_again(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    await built(cloud, server_id := await cloud.build())
    stop, _ = await held(cloud, "shut_down_guest", DEEDS["stop"].ask(cloud, server_id))
    removal, _ = await held(cloud, "wipe_disks", cloud.delete(server_id))
    node = cloud.computes["compute-1"].node
    again = asyncio.create_task(node.take_task(stop.moments[0].record, AGAIN))
    await a_while()
    removal.released.set()
    await cloud.wait_for(server_id, "DELETED")
    await again
    await a_while()
    assert before(cloud, "shut_down_guest") == 1
    await deleted(cloud, server_id)


async def test_an_action_that_waits_behind_another_does_not_begin_after_the_deletion(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    await built(cloud, server_id := await cloud.build())
    await held(cloud, "plug_in", DEEDS["attach_interface"].ask(cloud, server_id))
    await DEEDS["rebuild"].ask(cloud, server_id)
    await until(cloud, lambda: cloud.messages.seen["Rebuild"] >= 1, "the order to arrive")
    await a_while()
    assert await cloud.delete(server_id) == 204
    await cloud.wait_for(server_id, "DELETED")
    await a_while()
    assert before(cloud, "make_new_disks") == 0
    await deleted(cloud, server_id)


async def test_what_waits_behind_work_that_a_deletion_stops_never_begins(cloud_of: CloudOf) -> None:
    """Also when the deletion fails: control has ended all work on the volume, and waits for none of it."""
    cloud = await cloud_of(hosts=1, services=WITH_VOLUMES)
    action = f"/volumes/{(volume_id := await new_volume(cloud))}/action"
    hold, _ = await held(cloud, "grow_volume", ask(cloud, "POST", action, {"os-extend": {"new_size": 2}}))
    await ask(cloud, "POST", action, {"os-reset_status": {"status": "available"}})
    await ask(cloud, "POST", action, {"os-extend": {"new_size": 3}})
    await until(cloud, lambda: cloud.messages.seen["VolumeOrder"] >= 3, "the second order to arrive")
    await ask(cloud, "POST", action, {"os-reset_status": {"status": "available"}})
    await a_while()
    cloud.steps.at("before", "remove_volume", fail)
    await ask(cloud, "DELETE", f"/volumes/{volume_id}")
    await becomes(cloud, "volume", volume_id, "error_deleting")
    await a_while()
    assert (before(cloud, "grow_volume"), hold.released.is_set()) == (1, False)
    await ask(cloud, "POST", action, {"os-force_delete": {}})


async def test_a_node_that_starts_takes_up_what_was_under_way_before_it_hears_what_is_new(
    cloud_of: CloudOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker hands over at once what lies in a queue, while the node is still starting."""
    cloud = await cloud_of(hosts=1)
    hold, server_id = await held(cloud, "start_guest", cloud.build(networks="none"))
    await cloud.crash("compute-1")
    hold.released.set()
    assert await cloud.delete(server_id) == 204
    serve = LocalBus.serve_queue

    async def slowly(bus: LocalBus, kind: Any, name: str, handlers: Any, **more: Any) -> None:
        await serve(bus, kind, name, handlers, **more)
        await a_while()

    monkeypatch.setattr(LocalBus, "serve_queue", slowly)
    await cloud.restart("compute-1")
    await cloud.wait_for(server_id, "DELETED")
    await a_while()
    steps = [step for when, step in cloud.steps.seen if when == "before"]
    assert "start_guest" not in steps[steps.index("wipe_disks") :], "a guest for a server that is gone"
    await deleted(cloud, server_id)


async def test_what_was_asked_of_a_server_that_goes_is_waited_for_no_more(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    await built(cloud, server_id := await cloud.build())
    await cloud.crash("compute-1")
    await DEEDS["stop"].ask(cloud, server_id)
    assert await cloud.delete(server_id) == 204
    orders = await cloud.ledger.read(lambda tx: tx.connection.exec_driver_sql("SELECT kind FROM orders").scalars().all())
    assert list(orders) == ["remove"], "nobody carries the other out any more, so nobody would end it"
    await cloud.restart("compute-1")
    await deleted(cloud, server_id)


async def test_an_order_is_sent_again_only_when_it_was_silent_for_long(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1, send_again_after_s=30.0)
    bus: Any = cloud.control.bus
    ids: list[str] = []
    put = bus.put_many

    async def seen(parcels: Any) -> set[str]:
        ids.extend(parcel.message_id for parcel in parcels)
        return set(await put(parcels))

    bus.put_many = seen
    hold, server_id = await held(cloud, "take_order", cloud.build())

    async def was_sent(times: int) -> bool:
        rows = await cloud.ledger.read(lambda tx: tx.connection.exec_driver_sql("SELECT sent FROM orders").scalars().all())
        return bool(sum(rows) == times)

    sweeper = Sweeper(cloud.ledger, cloud.control.order_terms, math.inf)
    for later, times in ((0.0, 1), (20.0, 1), (31.0, 2)):
        await sweeper.sweep(time.time() + later)
        await cloud.until(lambda wanted=times: was_sent(wanted), f"{times} sendings after {later} s")
        await a_while()
        assert await was_sent(times), f"after {later} s"
    await until(cloud, lambda: cloud.messages.seen["Placed"] == 2, "both to arrive")
    assert len(set(ids)) == 2, "a broker would take the second for a repeat of the first"
    bus.put_many = put
    hold.released.set()
    await built(cloud, server_id)
    await deleted(cloud, server_id)


async def test_what_the_broker_did_not_take_is_put_again(cloud_of: CloudOf) -> None:
    """At once, and not when the sweeper finds it silent."""
    cloud = await cloud_of(hosts=1, send_again_after_s=1e6)
    bus: Any = cloud.control.bus
    refused: list[Parcel] = []
    take = bus.put_many

    async def refuse_once(parcels: Any) -> set[str]:
        if not refused:
            refused.extend(parcels)
            return set()
        return set(await take(parcels))

    bus.put_many = refuse_once
    server = await cloud.wait_for(server_id := await cloud.build(), "ACTIVE", "ERROR", within_s=60.0)
    assert refused
    assert server.status == "ACTIVE"
    await deleted(cloud, server_id)


async def test_a_broker_that_has_lost_everything_is_told_again_at_once(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1, send_again_after_s=1e6)
    hooks: list[Any] = []

    async def ensure(emptied: Any = None) -> None:
        hooks.append(emptied)

    await cloud.crash("compute-1")
    server_id = await cloud.build()
    await until(cloud, lambda: any(cloud.broker.waiting.values()), "the order to be in its queue")
    assert cloud.broker.lose_everything() == 1
    node: Any = cloud.control
    await cloud.crash("control")
    connect = node._connect

    def connected() -> Any:
        bus: Any = connect()
        bus.ensure_streams = ensure
        return bus

    node._connect = connected
    await node.start()
    await until(cloud, lambda: hooks, "control to ask for the broker's streams")
    assert hooks[0] is not None, "nobody would tell a broker that has lost everything"
    await hooks[0]()
    await cloud.restart("compute-1")
    await built(cloud, server_id)
    await deleted(cloud, server_id)


async def test_a_last_word_waits_for_a_control_that_is_away_for_long(cloud_of: CloudOf) -> None:
    """Longer than anybody waits for an answer."""
    cloud = await cloud_of(hosts=1)
    hold, server_id = await held(cloud, "report_running", cloud.build())
    await cloud.crash("control")
    hold.released.set()
    await asyncio.sleep(60.0)
    assert cloud.computes["compute-1"].node.journal.reports(10), "it is kept"
    await cloud.restart("control")
    await built(cloud, server_id)
    await deleted(cloud, server_id)


async def test_a_node_that_starts_has_its_queues_made_anew(cloud_of: CloudOf) -> None:
    """So that what its last process took and did not finish comes at once."""
    cloud = await cloud_of(hosts=1)
    made: list[tuple[str, str]] = []
    bus: Any = cloud.control.bus
    redeliver = bus.redeliver

    async def seen(kind: Any, name: str) -> None:
        made.append((kind, name))
        await redeliver(kind, name)

    bus.redeliver = seen
    for role in ("compute-1", "network", "volume"):
        await cloud.restart(role)
    expected = {("compute", "sim-1"), ("network", "network"), ("volume", "volume")}
    await until(cloud, lambda: set(made) == expected, "all three")
    bus.redeliver = redeliver


async def test_a_hint_of_an_older_attempt_says_nothing(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=2)
    cloud.steps.at("before", "assemble_disks", fail)
    hold, server_id = await held(cloud, "report_running", cloud.build())

    async def is_told() -> bool:
        return bool((await cloud.server(server_id)).task_state == "spawning")

    await cloud.until(is_told, "control to hear of the second attempt")
    first = HostName("sim-2" if (await cloud.server(server_id)).host == "sim-1" else "sim-1")
    late = BuildProgress(server_id=ServerId(server_id), host=first, attempt=1, at=time.time(), task_state="networking")
    cloud.computes["compute-1"].node.reporter.tell(late)
    await a_while()
    assert await is_told()
    hold.released.set()
    await built(cloud, server_id)
    await deleted(cloud, server_id)
