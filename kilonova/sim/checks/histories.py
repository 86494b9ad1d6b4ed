"""Every server has a history that tells what happened: each accepted action is in it, has an end, and a trace of its steps."""

from collections.abc import Iterator

from kilonova.sim.checks.servers import INSIDE, history
from kilonova.sim.checks.view import Row, View
from kilonova.sim.operations.promise import Promises, Violation, violation

ORDERED = frozenset({2, 3, 4})
"""The steps of a build that control does before it answers."""
CARRIED = frozenset({6, 8, 9})
"""Those of its node. Step 7 is only there with a network."""


def gaps(view: View, promises: Promises) -> Iterator[Violation]:
    for promise in promises.ever("server"):
        rows = view.of("actions", server_id=promise.id)
        if not rows:
            continue  # its traces are no longer kept, or it was never there: that is somebody else's finding
        facts = history(view, promise.id)
        known = {row["request_id"] for row in rows}
        for deed in promise.deeds:
            if deed.request_id not in known:
                yield violation("history", promise.id, f"{deed.name} ({deed.request_id}) was accepted, and is not in it", *facts)
        for row in rows:
            yield from _action(row, facts)


def _action(row: Row, facts: list[str]) -> Iterator[Violation]:
    name, message = row["action"], row["message"]
    if row["updated_at"] is None:
        yield violation("history", row["server_id"], f"{name} ({row['request_id']}) has no end", *facts)
    elif message is not None and (not message.strip() or INSIDE.search(message)):
        yield violation("history", row["server_id"], f"{name} failed, and its owner reads: {message}", *facts)
    elif message is None and name == "create":
        done = {span["step"] for span in [*row["ordered"], *(row["carried"] or ())]}
        missing = sorted((ORDERED | CARRIED) - done)
        if missing:
            yield violation("trace", row["server_id"], f"the trace of its build has no steps {missing}", *facts)
    elif message is None and name != "delete" and not row["carried"]:
        yield violation("trace", row["server_id"], f"{name} was done, and no step of it is told", *facts)
