"""What was asked of a server and how it went, on both databases: newest first, hops of every attempt, and only for so long."""

import pytest

from kilonova.ledger.ledger import Ledger
from kilonova.model.span import Span
from tests.ledger.small_cloud import furnish, ordered, wish


def span(step: int, name: str, **more: object) -> Span:
    return Span(step=step, name=name, place="compute", started_at=float(step), work=0.5, **more)  # type: ignore[arg-type]


async def a_server(ledger: Ledger) -> str:
    await furnish(ledger)
    return (await ordered(ledger, wish(traceparent="00-trace"))).server_ids[0]


async def test_an_action_and_its_hops(ledger: Ledger) -> None:
    server_id = await a_server(ledger)
    (action,) = await ledger.read(lambda tx: tx.actions.of_server(server_id))
    assert (action.action, action.request_id, action.message, action.updated_at) == ("create", "req-vm", None, None)
    known = [span(2, "admit"), span(4, "drop_into_queue")]
    await ledger.write(lambda tx: tx.actions.ordered(server_id, known))
    await ledger.write(lambda tx: tx.actions.carried(server_id, 1, [span(6, "assemble_disks", outcome="failed", detail="full")]))
    found = await ledger.read(lambda tx: tx.actions.spans(server_id))
    assert found is not None and [one.name for one in found[1]] == ["admit", "drop_into_queue", "assemble_disks"]
    event = found[0].events[0]
    assert (event.event, event.result, event.details, event.finished_at) == ("compute_assemble_disks", "Error", "full", 6.5)


async def test_a_second_attempt_is_put_behind_the_first_and_a_repeat_changes_nothing(ledger: Ledger) -> None:
    server_id = await a_server(ledger)
    for attempt, name in ((1, "first"), (1, "first"), (2, "second"), (2, "second")):
        hops = [span(6, name)]
        await ledger.write(lambda tx, attempt=attempt, hops=hops: tx.actions.carried(server_id, attempt, hops))  # type: ignore[misc]
    found = await ledger.read(lambda tx: tx.actions.spans(server_id))
    assert found is not None and [one.name for one in found[1] if one.step == 6] == ["first", "second"]


@pytest.mark.parametrize("message", [None, "it broke: ünï", "a NUL \0 from a node"])
async def test_the_end(ledger: Ledger, message: str | None) -> None:
    server_id = await a_server(ledger)
    await ledger.write(lambda tx: tx.actions.end(server_id, message, 9.0))
    (action,) = await ledger.read(lambda tx: tx.actions.of_server(server_id))
    assert action.updated_at == 9.0 and action.message == (message and message.replace("\0", ""))


async def test_newest_first_and_by_request(ledger: Ledger) -> None:
    server_id = await a_server(ledger)
    server = await ledger.read(lambda tx: tx.servers.get(server_id, None))
    await ledger.write(lambda tx: tx.actions.begin_plain(server, "delete", "req-2", "u2", 1e10))
    await ledger.write(lambda tx: tx.actions.end(server_id, None, 1e10 + 1))
    actions = await ledger.read(lambda tx: tx.actions.of_server(server_id))
    assert [(one.action, one.updated_at) for one in actions] == [("delete", 1e10 + 1), ("create", None)]
    newest = await ledger.read(lambda tx: tx.actions.spans(server_id))
    first = await ledger.read(lambda tx: tx.actions.spans(server_id, "req-vm"))
    assert newest is not None and first is not None and (newest[0].action, first[0].action) == ("delete", "create")
    assert await ledger.read(lambda tx: tx.actions.spans(server_id, "nothing")) is None
    assert await ledger.read(lambda tx: tx.actions.spans("nobody")) is None


async def test_what_is_old_is_forgotten(ledger: Ledger) -> None:
    server_id = await a_server(ledger)
    assert await ledger.write(lambda tx: tx.actions.forget_before(1.0)) == 0
    assert await ledger.write(lambda tx: tx.actions.forget_before(1e11)) == 1
    assert await ledger.read(lambda tx: tx.actions.of_server(server_id)) == []
