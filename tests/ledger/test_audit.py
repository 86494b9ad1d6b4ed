"""What an audit reads and a repair counts again, on both databases: every query of it runs, finds its own, and nothing else."""

import time
from typing import Any

from sqlalchemy import insert

from kilonova.ledger import identity_tables
from kilonova.ledger.actions import actions
from kilonova.ledger.audit import look
from kilonova.ledger.image_tables import image_properties, images
from kilonova.ledger.ledger import Ledger
from kilonova.ledger.mending import RepairBook
from kilonova.ledger.network_tables import network_tags
from kilonova.ledger.routing.tables import fabric
from kilonova.ledger.server_migrations import migrations
from kilonova.ledger.transaction import Transaction
from kilonova.ledger.volume.tables import volume_metadata
from kilonova.model.flavor import Flavor
from kilonova.model.guest import HostFacts
from kilonova.model.ids import FlavorId, HostName

TINY = Flavor(id=FlavorId("x"), name="x", vcpus=2, ram_mb=3, disk_gb=4)
TIMES = {"created_at": 1.0, "updated_at": 1.0}


def _strew(tx: Transaction) -> None:
    """One row of each kind that a query alone can find, and that needs no other row."""
    rows: list[tuple[Any, dict[str, Any]]] = [
        (network_tags, {"resource_id": "gone", "tag": "t"}),
        (volume_metadata, {"thing_id": "gone", "name": "n", "value": "v"}),
        (fabric, {"kind": "router", "id": "gone", "wanted": 1, "confirmed": 1, "gone": False, "settled": True}),
        (migrations, {"uuid": "u", "server_id": "gone", "project_id": "p", "user_id": "u", "kind": "resize",
                      "status": "pre-migrating", "created_at": 1.0}),
        (actions, {"server_id": "gone", "request_id": "req", "action": "stop", "user_id": "u", "project_id": "p",
                   "started_at": 1.0, "traceparent": "", "ordered": [], "attempt": 0}),
        (images, {"id": "waits", "owner": "p", "status": "queued", "visibility": "private", "min_disk": 0, "min_ram": 0,
                  "protected": False, "os_hidden": False, "wanted_until": 9e9, **TIMES}),
        (image_properties, {"image_id": "waits", "name": "instance_uuid", "value": "server"}),
        (identity_tables.roles, {"id": "r", "name": "r", "description": "", "options": {}, "extra": {}}),
        (identity_tables.assignments, {"actor": "user", "actor_id": "gone", "target": "domain", "target_id": "gone too",
                                       "role_id": "r", "inherited": False}),
    ]  # fmt: skip
    for table, values in rows:
        tx.connection.execute(insert(table), values)


async def test_every_query_finds_its_own(ledger: Ledger) -> None:
    assert (await ledger.read(lambda tx: look(tx.connection, time.time(), ["nobody"]))).loose == ()
    await ledger.write(_strew)
    view = await ledger.read(lambda tx: look(tx.connection, time.time(), ["nobody"]))
    assert {(row.kind, row.about) for row in view.loose} == {
        ("tags of nobody", "gone"),
        ("metadata of nobody", "gone"),
        ("plan of nobody", "gone"),
        ("resize without order", "u"),
        ("action without end", "req"),
        ("image that waits for nobody", "waits"),
        ("role assignment of nobody", "gone"),
        ("role assignment of nobody", "gone too"),
    }
    assert view.deleted == frozenset()

    def mend(tx: Transaction) -> None:
        book = RepairBook(tx.connection)
        book.forget_tags("gone")
        book.forget_metadata("gone")
        book.forget_roles("gone")
        book.end_move("u", 2.0)
        for kind in book.plans_of("gone"):
            tx.fabric.ended(kind, ["gone"])
        tx.actions.cut_short("gone", "lost", 2.0)
        tx.images.fail_snapshots_of("server", 2.0)

    await ledger.write(mend)
    assert (await ledger.read(lambda tx: look(tx.connection, time.time(), ()))).loose == ()


async def test_counters_are_counted_again(ledger: Ledger) -> None:
    def spoil(tx: Transaction) -> None:
        tx.hosts.heard_of("n", "compute", 1.0)
        facts = HostFacts(host=HostName("h"), hypervisor_type="s", hypervisor_version=1, vcpus=8, ram_mb=8, disk_gb=8)
        tx.hosts.measured("n", facts, 1.0)
        tx.hosts.claim("h", "one", TINY)
        tx.connection.exec_driver_sql("UPDATE hosts SET vcpus_used = 99, servers = 99")
        RepairBook(tx.connection).recount_host("h")

    await ledger.write(spoil)
    (host,) = await ledger.read(lambda tx: tx.hosts.snapshot(1.0))
    assert (host.vcpus_used, host.ram_mb_used, host.disk_gb_used, host.servers) == (2, 3, 4, 1)
