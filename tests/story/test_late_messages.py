"""The network node and messages that come late, of an older attempt, also when it was started again in between."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from kilonova.build.connect import NetworkGiven, NetworkNotWanted, NetworkWanted
from kilonova.bus.port import Delivery
from kilonova.drivers.network.simulated import SimulatedNetwork
from kilonova.errors import KilonovaError
from kilonova.lifecycle.fabric import FabricStands, FabricWanted
from kilonova.model.fabric import GroupPlan, Known
from kilonova.model.ids import NodeName, ServerId
from kilonova.nodes.attempts import REMEMBERED_S, Attempts
from kilonova.nodes.network import NetworkNode
from kilonova.saga.faults import no_faults
from tests.drivers.network.plans import OUTER, WEB, a_group, a_router

SERVER = ServerId("s1")


class Asking:
    """One network node, started anew for every message, and what it answers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.answers: list[object] = []

    async def _answer(self, subject: str, reply: object | KilonovaError) -> None:
        self.answers.append(reply)

    async def says(self, message: NetworkWanted | NetworkNotWanted) -> bool:
        """Whether the server is wired after this message."""
        return SERVER in await (await self._handled(message)).network.inventory()

    async def makes(self, message: FabricWanted) -> set[int]:
        """The revisions of what there is after this message."""
        return {one.revision for one in await (await self._handled(message)).network.known()}

    async def _handled(self, message: NetworkWanted | NetworkNotWanted | FabricWanted) -> NetworkNode:
        attempts = Attempts(self._folder / "attempts.sqlite")
        node = NetworkNode(NodeName("net"), SimulatedNetwork(self._folder / "network"), no_faults("network"), attempts)
        delivery = Delivery(kind="", subject="", queue_wait_s=0, reply_to="me", send_answer=self._answer)
        await node.handlers()[type(message)](message, delivery)
        attempts.close()
        return node


def wanted(attempt: int) -> NetworkWanted:
    return NetworkWanted(server_id=SERVER, attempt=attempt, ports=(), documents={})


def not_wanted(attempt: int) -> NetworkNotWanted:
    return NetworkNotWanted(server_id=SERVER, attempt=attempt)


async def test_the_end_of_an_older_attempt_does_not_cut_off_the_newer_one(tmp_path: Path) -> None:
    node = Asking(tmp_path)
    assert await node.says(wanted(1))
    assert await node.says(wanted(2))
    assert await node.says(not_wanted(1)), "a server that runs has lost its network"
    assert node.answers[-1] == NetworkGiven()
    assert not await node.says(not_wanted(2))


async def test_an_attempt_that_is_over_is_not_wired_any_more(tmp_path: Path) -> None:
    node = Asking(tmp_path)
    assert await node.says(wanted(1))
    assert not await node.says(not_wanted(1))
    assert not await node.says(wanted(1)), "wires for nobody"
    assert isinstance(answer := node.answers[-1], NetworkGiven)
    assert "over" in answer.refused
    assert await node.says(wanted(2))


async def test_what_comes_twice_changes_nothing(tmp_path: Path) -> None:
    node = Asking(tmp_path)
    assert await node.says(wanted(3)) and await node.says(wanted(3))
    assert not await node.says(not_wanted(3)) and not await node.says(not_wanted(3))


def so_it_is(kind: str, revision: int) -> FabricWanted:
    if kind == "group":
        return FabricWanted(groups=(a_group(revision=revision),))
    if kind == "network":
        return FabricWanted(networks=(replace(OUTER, revision=revision),))
    return FabricWanted(routers=(a_router(revision),))


@pytest.mark.parametrize(("kind", "identifier"), [("group", WEB), ("network", OUTER.id), ("router", a_router().id)])
async def test_a_plan_that_comes_late_does_not_bring_back_what_has_gone_since(tmp_path: Path, kind: str, identifier: str) -> None:
    """Seed 7351: a router that was deleted stood again, until the node's next hello."""
    node = Asking(tmp_path)
    gone = Known(kind=kind, id=identifier, revision=2)
    assert await node.makes(so_it_is(kind, 1)) == {1}
    assert await node.makes(FabricWanted(gone=(gone,))) == set()
    assert await node.makes(so_it_is(kind, 1)) == set(), "it is there, and nobody wants it"
    assert node.answers[-1] == FabricStands(stands=(gone,)), "control learns what counts here, should its books be older"
    assert await node.makes(so_it_is(kind, 3)) == {3}
    assert await node.makes(FabricWanted(gone=(gone,))) == {3}


async def test_what_goes_while_its_plan_is_being_made_goes_after_that() -> None:
    class Slow(SimulatedNetwork):
        async def take_group(self, plan: GroupPlan) -> int:
            begun.set()
            await asyncio.wait_for(asked.wait(), 10)
            return await super().take_group(plan)

    async def told(subject: str, reply: object | KilonovaError) -> None:
        pass

    begun, asked = asyncio.Event(), asyncio.Event()
    node = NetworkNode(NodeName("net"), Slow(), no_faults("network"))
    delivery = Delivery(kind="", subject="", queue_wait_s=0, reply_to="me", send_answer=told)
    making = asyncio.create_task(node.take_fabric(FabricWanted(groups=(a_group(),)), delivery))
    await asyncio.wait_for(begun.wait(), 10)
    ending = asyncio.create_task(node.take_fabric(FabricWanted(gone=(Known(kind="group", id=WEB, revision=2),)), delivery))
    for _ in range(10):
        await asyncio.sleep(0)
    asked.set()
    await asyncio.gather(making, ending)
    assert await node.network.known() == ()


def test_attempts_are_forgotten_once_no_message_can_be_that_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1e9]
    monkeypatch.setattr("kilonova.nodes.attempts.time", SimpleNamespace(time=lambda: now[0]))
    attempts = Attempts(tmp_path / "attempts.sqlite")
    attempts.note_wanted(SERVER, 4)
    now[0] += REMEMBERED_S / 2
    attempts.note_over(ServerId("s2"), 1)
    assert (attempts.wanted(SERVER), attempts.over(SERVER)) == (4, 0)
    now[0] += REMEMBERED_S / 2 + 1
    attempts.note_over(ServerId("s3"), 1)
    assert attempts.wanted(SERVER) == 0
    assert attempts.over(ServerId("s2")) == attempts.over(ServerId("s3")) == 1
    attempts.close()
