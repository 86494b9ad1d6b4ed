"""No state without a deadline; and what comes late, twice, or belongs to nobody any more, is harmless."""

import asyncio

from kilonova.build.record import Wired
from kilonova.bus.port import Delivery
from kilonova.lifecycle.remove import Removal
from kilonova.model.ids import HostName, NodeName, ProjectId, ServerId, UserId
from kilonova.nodes.greeting import compute_says_hello
from kilonova.sim import Moment, SimulatedCloud
from tests.story.conftest import CloudOf
from tests.story.ending import built, deleted, failed
from tests.story.holding import dies_for_good, stays


async def test_a_host_that_dies_for_good_costs_the_build_but_leaves_nothing(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1, build_limit_s=0.3)
    cloud.steps.at("before", "start_guest", dies_for_good(cloud))
    server_id = await cloud.build()
    server = await cloud.wait_for(server_id, "ACTIVE", "ERROR")
    assert cloud.steps.fired["before", "start_guest"] == 1
    assert server.status == "ERROR"
    assert server.fault is not None
    assert "its host did not report the end of the build in time" in server.fault.message
    assert "sim-1" not in server.fault.message
    await cloud.computes["compute-1"].bury()
    await cloud.restart("compute-1")
    await failed(cloud, server_id)
    await deleted(cloud, server_id)


async def test_a_step_that_hangs_is_ended_by_the_deadline(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=2, build_limit_s=60.0)
    cloud.steps.at("before", "assemble_disks", stays)
    await built(cloud, server_id := await cloud.build())
    assert cloud.steps.fired["before", "assemble_disks"] == 1
    await deleted(cloud, server_id)


async def test_a_network_node_that_is_away_costs_the_build_but_leaves_nothing(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    await cloud.crash("network")
    server = await cloud.wait_for(server_id := await cloud.build(), "ACTIVE", "ERROR")
    assert server.fault is not None
    assert "The network node did not answer in time." in server.fault.message
    await cloud.restart("network")
    await deleted(cloud, server_id)


async def test_what_is_left_on_another_host_goes_without_touching_the_server(cloud_of: CloudOf) -> None:
    """A host that failed and was given up comes back with disks and a guest of a server that lives elsewhere by now."""
    cloud = await cloud_of(hosts=2, nodes=2)
    known: list[Wired] = []

    async def look(moment: Moment) -> None:
        known.append(moment.record)

    cloud.steps.at("before", "report_running", look)
    server = await built(cloud, server_id := await cloud.build())
    other = HostName("sim-2" if server.host == "sim-1" else "sim-1")
    node = next(role.node for role in cloud.computes.values() if other in role.hosts)
    disks = await node.hosts[other].disks.assemble(known[0], lambda what, share: None)
    await node.hosts[other].hypervisor.start(known[0], disks)
    assert {finding.kind for finding in await cloud.audit()} == {"guest on the wrong host", "disks on the wrong host"}

    await compute_says_hello(node, node.bus, first=False)
    assert await cloud.clean() == []
    assert not await node.hosts[other].hypervisor.guests()
    assert (await cloud.server(server_id)).status == "ACTIVE"
    await deleted(cloud, server_id)


async def test_a_guest_that_nobody_knows_is_named_and_left_alone(cloud_of: CloudOf) -> None:
    """A ledger that was restored from an old backup must not cost anybody a guest."""
    cloud = await cloud_of(hosts=1)
    await built(cloud, server_id := await cloud.build())
    stranger = await _plant_a_stranger(cloud)
    node = cloud.computes["compute-1"].node
    await compute_says_hello(node, node.bus, first=False)
    findings = await cloud.audit()
    assert {(finding.kind, finding.about) for finding in findings} == {("unknown disks", stranger)}
    assert stranger in await node.hosts[HostName("sim-1")].disks.inventory()
    await node.hosts[HostName("sim-1")].disks.remove(stranger)
    await deleted(cloud, server_id)


async def test_removals_that_come_twice_while_a_build_goes_back(cloud_of: CloudOf) -> None:
    """The second one must not cut short what the first one has begun to undo."""
    cloud = await cloud_of(hosts=1)
    again: list[asyncio.Task[None]] = []

    async def delete(moment: Moment) -> None:
        await cloud.delete(moment.record.server_id)
        await stays(moment)

    async def remove_again(moment: Moment) -> None:
        build = moment.record
        order = Removal(
            server_id=build.server_id, host=build.host, node=build.node, network_node=build.network_node, attempt=1, reason=""
        )
        delivery = Delivery(kind="Removal", subject="", queue_wait_s=0.0)
        again.append(asyncio.create_task(cloud.computes["compute-1"].node.take_removal(order, delivery)))
        await asyncio.sleep(1.0)

    cloud.steps.at("before", "report_running", delete)
    cloud.steps.at("undone", "start_guest", remove_again)
    server_id = await cloud.build()
    await cloud.wait_for(server_id, "DELETED")
    assert len(again) == 1
    assert [hop for hop in cloud.steps.seen if hop[0] == "undone"] == [
        ("undone", "start_guest"),
        ("undone", "ask_for_network"),
        ("undone", "assemble_disks"),
    ]
    await deleted(cloud, server_id)


async def test_a_control_that_restarts_finds_everything_again(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=2)
    first = await cloud.build()
    await cloud.restart("control")
    await built(cloud, first)
    await built(cloud, second := await cloud.build())
    for server_id in (first, second):
        await cloud.delete(server_id)
    for server_id in (first, second):
        await cloud.wait_for(server_id, "DELETED")
    assert await cloud.clean() == []


async def _plant_a_stranger(cloud: SimulatedCloud) -> ServerId:
    stranger = ServerId("00000000-0000-4000-8000-000000000000")
    hands = cloud.computes["compute-1"].node.hosts[HostName("sim-1")]
    server = (await cloud.ledger.read(lambda tx: tx.servers.on_host("sim-1")))[0]
    build = Wired(
        server_id=stranger,
        project_id=ProjectId("p"),
        user_id=UserId("u"),
        request_id="",
        name="stranger",
        hostname="stranger",
        flavor=server.flavor,
        image=None,
        host=HostName("sim-1"),
        node=NodeName("compute-1"),
        network_node=NodeName("network"),
        attempt=1,
        deadline=0.0,
        ordered_at=0.0,
        disks=(),
        wires=(),
    )
    await hands.disks.assemble(build, lambda what, share: None)
    return stranger
