"""What the simulation's workload has found: each story as short as it can be told, so that it is not found a second time."""

import asyncio
from typing import Any

import pytest

from kilonova.errors import Unavailable
from kilonova.model.server import Action
from kilonova.sim import Moment, SimulatedCloud
from tests.story.conftest import CloudOf
from tests.story.ending import built, deleted


async def history(cloud: SimulatedCloud, server_id: str) -> list[Action]:
    """The oldest first."""
    return list(reversed(await cloud.ledger.read(lambda tx: list(tx.actions.of_server(server_id)))))


async def test_what_was_under_way_when_a_server_was_deleted_has_an_end(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)

    async def delete(moment: Moment) -> None:
        assert await cloud.delete(moment.record.server_id) == 204

    cloud.steps.at("before", "start_guest", delete)
    server_id = await cloud.build()
    await cloud.wait_for(server_id, "DELETED")
    await deleted(cloud, server_id)
    create, delete_ = await history(cloud, server_id)
    assert (create.updated_at, delete_.updated_at) != (None, None)
    assert create.message == "The server was deleted before this was over."
    assert delete_.message is None


async def test_a_deletion_that_is_asked_for_twice_ends_twice(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build()
    await built(cloud, server_id)
    assert list(await asyncio.gather(cloud.delete(server_id), cloud.delete(server_id))) == [204, 204]
    await cloud.wait_for(server_id, "DELETED")
    _, *deletions = await history(cloud, server_id)
    assert len(deletions) == 2
    assert all(one.updated_at is not None and one.message is None for one in deletions)


async def test_a_request_that_comes_again_leaves_the_trace_of_the_first(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    head: dict[str, Any] = {"headers": {"idempotency-key": "once"}}
    ids = await asyncio.gather(*(cloud.build(**head) for _ in range(3)))
    assert len(set(ids)) == 1
    await built(cloud, ids[0])
    assert await cloud.build(**head) == ids[0]
    await built(cloud, ids[0])
    _, spans = await cloud.ledger.read(lambda tx: tx.actions.spans(ids[0]))
    assert {2, 3, 4, 5, 6, 8, 9} <= {span.step for span in spans}
    await deleted(cloud, ids[0])


async def test_control_that_starts_while_the_database_is_away_waits_for_it(
    cloud_of: CloudOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seed 108: nobody ever heard the nodes' reports again."""
    cloud = await cloud_of(hosts=1)
    await cloud.crash("control")
    read, refused = cloud.ledger.read, 0

    async def away(question: Any) -> Any:
        nonlocal refused
        refused += 1
        if refused <= 5:
            raise Unavailable("The database does not answer at the moment.")
        return await read(question)

    monkeypatch.setattr(cloud.ledger, "read", away)
    await cloud.restart("control")

    async def asked_again() -> bool:
        return refused > 5

    await cloud.until(asked_again, "the database to be asked again")
    server_id = await cloud.build()
    await built(cloud, server_id)
    await deleted(cloud, server_id)
