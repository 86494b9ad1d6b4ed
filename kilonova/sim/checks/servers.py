"""Every accepted server ended as it was promised: as its history says, or in ERROR with a reason for its owner, or gone.

Its state is worked out from its history once more, action by action; what the ledger says must be among what that allows.
"""

import re
from collections.abc import Iterator, Mapping

from kilonova.model import server as states
from kilonova.sim.checks.view import Row, View
from kilonova.sim.operations.promise import Maybe, Promise, Promises, Violation, violation

INSIDE = re.compile(r"sim-\d|compute-\d|/tmp|Traceback|Error\(|unexpected error")
"""What an owner must never read: hosts, nodes, paths, Python."""
SHORTEST_REASON = 20

ON_OR_OFF = frozenset({states.ACTIVE, states.STOPPED})
LEADS_TO: Mapping[str, frozenset[str]] = {
    "create": frozenset({states.ACTIVE}),
    "stop": frozenset({states.STOPPED}),
    "start": frozenset({states.ACTIVE}),
    "reboot": frozenset({states.ACTIVE}),
    "pause": frozenset({states.PAUSED}),
    "unpause": frozenset({states.ACTIVE}),
    "rescue": frozenset({states.RESCUED}),
    "unrescue": frozenset({states.ACTIVE}),
    "resize": frozenset({states.RESIZED}),
    "confirmResize": ON_OR_OFF,
    "revertResize": ON_OR_OFF,
    "rebuild": ON_OR_OFF,
}
"""Action → the vm_states it may end in when it worked; those not named leave the server as it was."""
HELD = (states.ACTIVE, states.STOPPED, states.PAUSED, states.RESCUED, states.RESIZED)
"""vm_states of servers that have room on a host, and disks there."""
FINAL = frozenset(states.STATUS_OF) - {states.BUILDING}


def broken_promises(view: View, promises: Promises) -> Iterator[Violation]:
    """Of servers: lost, gone unasked, still there, in a state that nothing led to, in ERROR without a reason."""
    rows = view.by_id("servers")
    for promise in promises.ever("server"):
        row = rows.get(promise.id)
        if row is None:
            yield violation("lost", promise.id, f"the server {promise.name} was accepted, and is not in the ledger")
        else:
            yield from _one(row, promise, view)


def _one(row: Row, promise: Promise, view: View) -> Iterator[Violation]:
    facts = history(view, row["id"])
    gone = row["deleted_at"] is not None
    if gone and promise.deleted == "no":
        yield violation("gone", promise.id, f"{promise.name} was deleted, and nobody had asked for it", *facts)
    if not gone and promise.deleted == "yes":
        yield violation("not gone", promise.id, f"{promise.name} was to be deleted, and is {row['vm_state']}", *facts)
    if row["task_state"] is not None or row["vm_state"] not in FINAL:
        text = f"it is {row['vm_state']}, task {row['task_state']}, and nothing will ever end it"
        yield violation("stuck", promise.id, text, *facts)
    elif not gone:
        if row["vm_state"] == states.ERROR:
            yield from _reason(row, facts)
        may_be = replayed(view.of("actions", server_id=row["id"]))
        may_be |= {states.STOPPED} if row["id"] in view.ended else frozenset()
        if row["vm_state"] not in may_be and not promise.forced:
            text = f"it is {row['vm_state']}, and its history leads to {' or '.join(sorted(may_be)) or 'nothing'}"
            yield violation("state", promise.id, text, *facts)


def _reason(row: Row, facts: list[str]) -> Iterator[Violation]:
    fault = row["fault"]
    if not fault or len(fault["message"]) < SHORTEST_REASON:
        yield violation("no reason", row["id"], f"it is in ERROR, and says only {fault}", *facts)
    elif INSIDE.search(fault["message"]):
        yield violation("no reason", row["id"], f"its owner reads: {fault['message']}", *facts)


def replayed(actions: list[Row]) -> frozenset[str]:
    """The vm_states that a history may have led to; an action that failed left the server as it was, or in ERROR."""
    may_be: frozenset[str] = frozenset()
    for action in sorted(actions, key=lambda row: row["id"]):
        leads = LEADS_TO.get(action["action"])
        if action["message"] is not None:
            may_be |= {states.ERROR}
        elif leads is not None:
            may_be = leads
    return may_be


def history(view: View, server_id: str) -> list[str]:
    """What happened to a server, a line each, for whoever has to understand it."""
    lines = []
    for row in sorted(view.of("actions", server_id=server_id), key=lambda row: row["id"]):
        spans = [f"{span['place']}.{span['name']}={span['outcome']}" for span in [*row["ordered"], *(row["carried"] or ())]]
        took = "no end" if row["updated_at"] is None else f"{row['updated_at'] - row['started_at']:.1f} s"
        lines.append(f"{row['action']} {row['request_id']} ({took}) {row['message'] or ''} [{' '.join(spans)}]")
    for order in view.of("orders", server_id=server_id):
        lines.append(f"order {order['id']} {order['kind']} {order['message']} deadline {order['deadline']} sent {order['sent']}")
    return lines


def adopt(view: View, promises: Promises) -> Iterator[Violation]:
    """Servers whose creation was never answered by name become promises; more or fewer of them than asked for are wrong."""
    unnamed = [row for row in view.rows["servers"] if row["id"] not in promises.accepted]
    for maybe in promises.maybes:
        if maybe.kind != "server":
            continue
        mine = [row for row in view.rows["servers"] if _is_called(row["name"], maybe)]
        if len(mine) > maybe.most or (maybe.least and len(mine) < maybe.least):
            text = f"{maybe.least} to {maybe.most} servers were asked for, and {len(mine)} are there"
            yield violation("made twice" if len(mine) > maybe.most else "lost", maybe.name, text, *(row["id"] for row in mine))
        for row in unnamed:
            if _is_called(row["name"], maybe):
                promises.keep(Promise(kind="server", id=row["id"], name=row["name"], owner=maybe.owner, at=maybe.at))
    for row in unnamed:
        if row["id"] not in promises.accepted:
            yield violation("of nobody", row["id"], f"nobody has asked for the server {row['name']}", *history(view, row["id"]))


def _is_called(name: str, maybe: Maybe) -> bool:
    return name == maybe.name or (maybe.most > 1 and re.fullmatch(rf"{re.escape(maybe.name)}-\d+", name) is not None)
