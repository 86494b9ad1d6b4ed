"""The audit finds what does not fit: each kind is put there on purpose, and named. What is moving it leaves alone."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, update

from kilonova.cli.audit import lines
from kilonova.ledger.hosts import claims, hosts
from kilonova.ledger.network_tables import ports
from kilonova.ledger.orders import orders
from kilonova.ledger.servers import servers
from kilonova.ledger.transaction import Transaction
from kilonova.lifecycle.audit import LedgerView, NodeInventory, OpenSaga, audit
from kilonova.model.flavor import Flavor
from kilonova.model.ids import FlavorId, NodeName, ServerId
from kilonova.sim import Moment
from tests.story.conftest import CloudOf
from tests.story.ending import built

TINY = Flavor(id=FlavorId("x"), name="x", vcpus=1, ram_mb=1, disk_gb=1)


def _set(table: Any, **values: Any) -> Callable[[Transaction, str], None]:
    column = {"servers": "id", "claims": "server_id", "ports": "device_id"}.get(table.name)

    def change(tx: Transaction, server_id: str) -> None:
        where = update(table) if column is None else update(table).where(table.c[column] == server_id)
        tx.connection.execute(where.values(values))

    return change


def _stray_claim(tx: Transaction, server_id: str) -> None:
    tx.hosts.claim("sim-1", "nobody", TINY)


def _no_claim(tx: Transaction, server_id: str) -> None:
    tx.hosts.free(server_id)


def _failed(tx: Transaction, server_id: str) -> None:
    """As at the end of a build that failed: one that failed later keeps its room, and its disks."""
    tx.connection.execute(update(servers).where(servers.c.id == server_id).values(vm_state="error"))
    tx.hosts.free(server_id)


def _stray_order(tx: Transaction, server_id: str) -> None:
    row = {"id": "o", "server_id": "nobody", "attempt": 1, "kind": "build", "host": "sim-1", "body": b"", "traceparent": ""}
    tx.connection.execute(orders.insert().values(**row, published_at=9e9, sent=1))


def _delete_server(tx: Transaction, server_id: str) -> None:
    tx.connection.execute(update(servers).where(servers.c.id == server_id).values(deleted_at=1.0))


WRONG: dict[str, tuple[Callable[[Transaction, str], None], set[str]]] = {
    "a claim of nobody": (_stray_claim, {"claim without server"}),
    "a server without claim": (_no_claim, {"server without claim"}),
    "counters that do not add up": (_set(hosts, ram_mb_used=7), {"host counters"}),
    "a port of nobody": (_set(ports, device_id="nobody"), {"port without server"}),
    "an order for nobody": (_stray_order, {"order without server"}),
    "a build nobody was told of": (
        _set(servers, vm_state="building"),
        {"build without order"},
    ),
    "a size that is not counted": (_set(servers, vcpus=9), {"quota"}),
    "a failed server's guest": (
        _failed,
        {"guest of a failed server", "disks of a failed server", "port of a failed server"},
    ),
    "a server said to be elsewhere": (
        _set(servers, host="sim-2"),
        {
            "claim elsewhere",
            "guest on the wrong host",
            "disks on the wrong host",
            "active without guest",
            "active without disks",
            "port on another host",
        },
    ),
    "a server that is gone from the ledger": (
        _delete_server,
        {"claim without server", "port without server", "guest without server", "disks without server", "wire without server"},
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_does_not_fit_in_the_ledger_is_found(cloud_of: CloudOf, wrong: str) -> None:
    cloud = await cloud_of(hosts=2)
    await built(cloud, server_id := await cloud.build())
    assert (await cloud.server(server_id)).host == "sim-1"
    change, kinds = WRONG[wrong]
    await cloud.ledger.write(lambda tx: change(tx, server_id))
    assert {finding.kind for finding in await cloud.audit()} == kinds


@pytest.mark.parametrize("thing", ["guest", "disks", "wire"])
async def test_what_is_missing_on_a_node_is_found(cloud_of: CloudOf, thing: str) -> None:
    cloud = await cloud_of(hosts=1)
    await built(cloud, server_id := await cloud.build())
    (hands,) = cloud.computes["compute-1"].node.hosts.values()
    network = cloud.network.node.network
    undo = {"guest": hands.hypervisor.destroy, "disks": hands.disks.remove, "wire": network.unwire}[thing]
    await undo(ServerId(server_id))
    assert [(finding.kind, finding.about) for finding in await cloud.audit()] == [(f"active without {thing}", server_id)]


async def test_what_is_moving_is_left_alone(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    seen = []

    async def look(moment: Moment) -> None:
        seen.append(await cloud.audit())

    for step in ("assemble_disks", "start_guest", "report_running", "end_guest", "report_gone"):
        cloud.steps.at("before", step, look)
    await built(cloud, server_id := await cloud.build())
    await cloud.delete(server_id)
    await cloud.wait_for(server_id, "DELETED")
    assert seen == [[]] * 5


async def test_a_node_that_does_not_answer_is_named(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    await cloud.crash("compute-1")
    assert [(finding.kind, finding.about) for finding in await cloud.audit()] == [("silent node", "compute-1")]


def test_a_saga_whose_deadline_is_long_over_is_found() -> None:
    view = LedgerView(at=1000.0, servers=(), claims=(), hosts=(), ports=(), orders=(), usage={}, nodes=())
    sagas = (
        OpenSaga(key="old/1/build", server_id=ServerId("old"), deadline=500.0),
        OpenSaga(key="new/1/build", server_id=ServerId("new"), deadline=999.0),
        OpenSaga(key="gone/1/remove", server_id=ServerId("gone"), deadline=None),
    )
    inventory = NodeInventory(node=NodeName("n"), role="compute", sagas=sagas)
    assert [(one.kind, one.about) for one in audit(view, [inventory], set())] == [("saga overdue", "old")]


async def test_over_http_for_admins_and_as_lines_for_people(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    await built(cloud, server_id := await cloud.build())
    clean = (await cloud.send("GET", "/internal/audit")).json()
    assert lines(clean) == ["0 findings: 1 servers; 3 nodes answered."]
    await cloud.ledger.write(lambda tx: tx.connection.execute(delete(claims)))
    report = (await cloud.send("GET", "/internal/audit")).json()
    said = lines(report)
    row, sums = "(1, 512, 1, 1)", "(0, 0, 0, 0)"
    counted = f"its row says {row}, its claims add up to {sums} (vCPUs, MiB, GiB, servers)"
    assert said[0] == f"host counters: sim-1 on sim-1: {counted}"
    assert said[1] == f"server without claim: {server_id} on sim-1: its room is not counted"
    assert said[2] == "2 findings: 1 servers; 3 nodes answered."
    assert (await cloud.send("GET", "/internal/audit", token="nonsense")).status_code == 401
