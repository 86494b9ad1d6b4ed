"""Actions on servers: every one of the cloud's sagas, asked for in whatever state the server is; and what guards a server."""

from collections.abc import Callable, Mapping
from typing import Any

from kilonova.sim.operations.promise import Promise
from kilonova.sim.operations.scene import Answer, Turn
from kilonova.sim.operations.servers import SERVERS

BUSY = (202, 404, 409)
"""Done, gone, or not now."""
NOT_SO = 501
"""What is not there for servers that boot from volumes, or for images of them."""


def _plain(name: str) -> Callable[[Turn], dict[str, Any]]:
    return lambda turn: {name: None}


def _reboot(turn: Turn) -> dict[str, Any]:
    return {"reboot": {"type": turn.rng.choice(("SOFT", "HARD"))}}


def _rebuild(turn: Turn) -> dict[str, Any]:
    return {"rebuild": {"imageRef": turn.image()}}


def _resize(turn: Turn) -> dict[str, Any]:
    return {"resize": {"flavorRef": turn.rng.choice(("1", "2", "2", "3"))}}


def _image(turn: Turn) -> dict[str, Any]:
    return {"createImage": {"name": turn.name}}


BODIES: Mapping[str, tuple[Callable[[Turn], dict[str, Any]], tuple[int, ...]]] = {
    "stop": (_plain("os-stop"), BUSY),
    "start": (_plain("os-start"), BUSY),
    "reboot": (_reboot, BUSY),
    "pause": (_plain("pause"), BUSY),
    "unpause": (_plain("unpause"), BUSY),
    "rebuild": (_rebuild, (*BUSY, 400, 403)),
    "resize": (_resize, (*BUSY, 400, 403)),
    "confirmResize": (_plain("confirmResize"), (*BUSY, 204)),
    "revertResize": (_plain("revertResize"), BUSY),
    "rescue": (_plain("rescue"), (200, *BUSY, 400)),
    "unrescue": (_plain("unrescue"), BUSY),
    "createImage": (_image, BUSY),
    "trigger_crash_dump": (_plain("trigger_crash_dump"), BUSY),
}
"""What the history calls it → its body, and how it may be answered."""

NEXT = {
    "stop": "start",
    "pause": "unpause",
    "resize": "confirmResize",
    "rescue": "unrescue",
}
"""What is likely to be asked for later."""


async def act(turn: Turn) -> None:
    """One action, drawn from all of them, on one of the tenant's servers."""
    server = turn.one("server")
    if server is None:
        return
    name = turn.rng.choice(list(BODIES))
    await ask(turn, server, name)


async def there_and_back(turn: Turn) -> None:
    """An action, and a moment later the one that leads back: also before the first is done."""
    server = turn.one("server")
    if server is None:
        return
    name = turn.rng.choice(list(NEXT))
    await ask(turn, server, name)
    await turn.pause(3.0)
    back = "revertResize" if name == "resize" and turn.rng.random() < 0.5 else NEXT[name]
    await ask(turn, server, back)


async def ask(turn: Turn, server: Promise, name: str) -> Answer:
    body, allowed = BODIES[name]
    if server.from_volume and name in ("createImage", "rescue", "rebuild"):
        allowed = (*allowed, NOT_SO)
    answer = await turn.ask("POST", f"{SERVERS}/{server.id}/action", body(turn), allowed=allowed)
    if answer.status in (200, 202, 204):
        server.deeds.append(turn.deed(name, answer))
        if name == "createImage":
            turn.promised("image", answer.body["image_id"], turn.name, turn.deed(name, answer), of=server.id)
    elif not answer.known and name == "createImage":
        turn.perhaps("image", turn.name)
    return answer


async def delete_while_busy(turn: Turn) -> None:
    """An action, and the end of the server at the same time."""
    server = turn.one("server")
    if server is None:
        return
    name = turn.rng.choice(list(BODIES))
    await turn.together(ask(turn, server, name), turn.remove(server, f"{SERVERS}/{server.id}", (204, 404, 409)))


async def guard(turn: Turn) -> None:
    """Lock and unlock: an owner's lock stops owners."""
    server = turn.one("server")
    if server is not None:
        what = turn.rng.choice(("lock", "unlock", "unlock"))
        await turn.ask("POST", f"{SERVERS}/{server.id}/action", {what: None}, allowed=(202, 403, 404))


async def describe(turn: Turn) -> None:
    """Metadata, tags and names: what is only in the ledger."""
    server = turn.one("server")
    if server is None:
        return
    path, allowed = f"{SERVERS}/{server.id}", (200, 201, 204, 400, 404, 409)
    method, tail, body = turn.rng.choice(
        (
            ("POST", "/metadata", {"metadata": {turn.name[:20]: "1"}}),
            ("PUT", "/metadata", {"metadata": {}}),
            ("PUT", "", {"server": {"description": turn.name}}),
            ("PUT", f"/tags/{turn.kind}", None),
        )
    )
    await turn.ask(method, path + tail, body, allowed=allowed)


async def stranger(turn: Turn) -> None:
    """Another tenant's server: it is not there, whatever is asked."""
    others = [one for one in turn.scene.promises.ever("server") if one.owner != turn.tenant.name]
    if not others:
        return
    path = f"{SERVERS}/{turn.rng.choice(others).id}"
    method, tail, body = turn.rng.choice((("DELETE", "", None), ("GET", "", None), ("POST", "/action", {"os-stop": None})))
    await turn.ask(method, path + tail, body, allowed=(404,))
