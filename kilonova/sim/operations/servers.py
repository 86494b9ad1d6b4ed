"""Servers are made and deleted: one, several, with one key twice, too large, and with nonsense in the body."""

import asyncio
from typing import Any

from kilonova.sim.operations.scene import Answer, Turn

SERVERS = "/compute/v2.1/servers"
HUGE = "huge"
"""A flavor that no host can hold."""


async def create(turn: Turn) -> None:
    """One or several, on whatever network there is."""
    await order(turn, plain(turn))


async def create_impossible(turn: Turn) -> None:
    """A server that no host can hold: accepted all the same, and it must say why it cannot be."""
    await order(turn, plain(turn, flavorRef=HUGE, networks="none"))


async def create_twice(turn: Turn) -> None:
    """The same request with the same key, at once or one after the other: the servers must be the same."""
    body, key = plain(turn), f"key-{turn.name}"
    if turn.rng.random() < 0.5:
        answers = list(await asyncio.gather(order(turn, body, key), order(turn, body, key)))
    else:
        answers = [await order(turn, body, key), await order(turn, body, key)]
    made = {answer.body["server"]["id"] for answer in answers if answer.status == 202}
    if len(made) > 1:
        turn.wrong("made twice", turn.name, f"one key has made {sorted(made)}")


async def create_nonsense(turn: Turn) -> None:
    """A body that nobody can carry out: refused, and nothing is left of it."""
    bad: dict[str, Any] = turn.rng.choice(
        [
            {"flavorRef": "no-such-flavor"},
            {"imageRef": "5f0f9ab3-0000-4000-8000-000000000000"},
            {"networks": [{"uuid": "5f0f9ab3-0000-4000-8000-000000000000"}]},
            {"networks": [{"port": "5f0f9ab3-0000-4000-8000-000000000000"}]},
            {"networks": [{"uuid": turn.scene.cloud.furnished.network_id, "fixed_ip": "192.0.2.1"}]},
            {"min_count": 3, "max_count": 2},
            {"name": ""},
            {"key_name": "no-such-key"},
            {"availability_zone": "nowhere"},
            {"metadata": {"a": 1}},
            {"surprise": True},
        ]
    )
    await turn.ask("POST", SERVERS, {"server": {**plain(turn), **bad}}, allowed=(400, 403, 404))


async def delete(turn: Turn) -> None:
    """In whatever state it is; sometimes twice."""
    server = turn.one("server")
    if server is None:
        return
    for _ in range(turn.rng.choice((1, 1, 2))):
        answer = await turn.ask("DELETE", f"{SERVERS}/{server.id}", allowed=(204, 404, 409))
        if answer.status == 204 or (answer.status == 404 and server.deleted == "maybe"):
            server.deleted = "yes"
            server.deeds.append(turn.deed("delete", answer))
        elif not answer.known and server.deleted == "no":
            server.deleted = "maybe"


def plain(turn: Turn, **more: Any) -> dict[str, Any]:
    """A body that is sound."""
    counts = turn.rng.choice(({}, {}, {}, {"min_count": 1, "max_count": turn.rng.randint(2, 4)}, {"min_count": 2}))
    image_id = turn.scene.cloud.furnished.image_id
    base = {"name": turn.name, "flavorRef": "1", "imageRef": image_id, "networks": turn.rng.choice(("auto", "auto", "none"))}
    return {**base, **counts, **more}


async def order(turn: Turn, server: dict[str, Any], key: str = "", also: tuple[int, ...] = ()) -> Answer:
    """POST /servers, and what it promises. Without an answer: asked again with its key, else it stays open."""
    allowed = (202, 403, *also)
    if key:
        answer = await turn.ask_until_known("POST", SERVERS, {"server": server}, allowed=allowed, key=key)
    else:
        answer = await turn.ask("POST", SERVERS, {"server": server}, allowed=allowed)
    least = server.get("min_count", 1)
    most = max(server.get("max_count", least), least)
    if not answer.known:
        turn.perhaps("server", server["name"], 0, most)
    elif answer.status == 202:
        made = answer.body["server"]["id"]
        turn.promised("server", made, server["name"], None if key else turn.deed("create", answer))
        if most > 1 or key:
            turn.perhaps("server", server["name"], least, most)
    return answer
