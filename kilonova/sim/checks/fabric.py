"""Ports, groups, routers and floating IPs: each as it was promised, and on the network node in the newest revision."""

from collections.abc import Iterator

from kilonova.sim.checks.servers import history
from kilonova.sim.checks.view import View
from kilonova.sim.operations.promise import Promises, Violation, violation

TABLES = {"port": "ports", "group": "security_groups", "router": "routers", "floatingip": "floating_ips", "network": "networks"}


def misfits(view: View, promises: Promises) -> Iterator[Violation]:
    yield from _promised(view, promises)
    yield from _floating_ips(view)
    yield from _revisions(view)


def _promised(view: View, promises: Promises) -> Iterator[Violation]:
    for kind, table in TABLES.items():
        rows = view.by_id(table)
        for promise in promises.accepted.values():
            if promise.kind != kind:
                continue
            facts = [line for server_id in promise.with_servers for line in history(view, server_id)]
            if promise.deleted == "no" and promise.id not in rows:
                yield violation("lost", promise.id, f"the {kind} {promise.name} was accepted, and is not there", *facts)
            if promise.deleted == "yes" and promise.id in rows:
                yield violation("not gone", promise.id, f"the {kind} {promise.name} was deleted, and is there", *facts)


def _floating_ips(view: View) -> Iterator[Violation]:
    ports, routers = view.by_id("ports"), view.by_id("routers")
    for row in view.rows["floating_ips"]:
        for what, there in (("port_id", ports), ("floating_port_id", ports), ("router_id", routers)):
            if row[what] is not None and row[what] not in there:
                yield violation("floating IP", row["id"], f"its {what} {row[what]} is gone")


def _revisions(view: View) -> Iterator[Violation]:
    planned: dict[str, int] = {}
    for row in view.rows["fabric"]:
        name = f"{row['kind']}/{row['id']}"
        planned[name] = row["wanted"]
        if row["kind"] == "server":
            continue  # told when it is wired; what it has then is what its build or its action asked for
        if row["gone"] or not row["settled"]:
            text = f"revision {row['wanted']} (gone: {row['gone']}) was never confirmed; refused: {row['refused']}"
            yield violation("stuck", name, text)
        elif view.known.get(name) != row["wanted"]:
            yield violation("fabric", name, f"{row['wanted']} is confirmed, and the node has {view.known.get(name)}")
    for name in view.known.keys() - planned.keys():
        if not name.startswith("server/"):
            yield violation("fabric", name, "the network node has it, and the ledger does not")
