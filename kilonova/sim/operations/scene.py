"""Where operations happen: the cloud, its tenants, what was promised; and the judge of every answer.

An answer is allowed, or it is a violation; an answer that never came leaves the outcome open. Decides nothing by chance.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from kilonova.errors import Unavailable
from kilonova.sim.cloud import COMPUTE_VERSION, SimulatedCloud
from kilonova.sim.operations.promise import Deed, Kind, Maybe, Promise, Promises, Tenant, Violation, violation

TRIES, PAUSE_S = 200, 3.0
"""How often and how far apart (loop time) one asks again what must become known."""
NOT_THERE = 0
"""The status of an answer that never came."""
AWAY = 503


class Reply(Protocol):
    """What came over HTTP."""

    status_code: int

    @property
    def headers(self) -> Any: ...

    @property
    def content(self) -> bytes: ...

    @property
    def text(self) -> str: ...

    def json(self) -> Any: ...


class Answer(Struct, frozen=True):
    """`status` 0: none came, and nobody knows whether it was done."""

    status: int
    body: Any
    request_id: str

    @property
    def known(self) -> bool:
        return self.status not in (NOT_THERE, AWAY)


class Scene:
    """What all operations of one workload share. `excused` says whether control or its database is made to be away."""

    def __init__(self, cloud: SimulatedCloud, tenants: Sequence[Tenant], excused: Callable[[], bool]) -> None:
        self.cloud, self.tenants, self.excused = cloud, tenants, excused
        self.promises = Promises()
        self.violations: list[Violation] = []
        self.answers: Counter[tuple[str, int]] = Counter()
        """(kind of operation, status) → how often."""
        self.several_networks = False
        """Whether tenants make networks of their own, so that which one is meant must be said."""

    async def send(self, tenant: Tenant, method: str, path: str, body: Any, key: str) -> Reply:
        head = {"x-auth-token": tenant.token, "openstack-api-version": COMPUTE_VERSION}
        if key:
            head["idempotency-key"] = key
        reply: Reply = await self.cloud.control.client.request(method, path, json=body, headers=head)
        return reply


class Turn:
    """One operation: who does it, with which chance, and what it is called."""

    def __init__(self, scene: Scene, tenant: Tenant, rng: random.Random, name: str, kind: str) -> None:
        self.scene, self.tenant, self.rng, self.name, self.kind = scene, tenant, rng, name, kind

    async def ask(
        self, method: str, path: str, body: Any = None, *, allowed: Collection[int], key: str = "", admin: bool = False
    ) -> Answer:
        """One request, judged. Never raises for what an HTTP server may do."""
        scene, who = self.scene, self.admin if admin else self.tenant
        excused = scene.excused()
        try:
            answer = await scene.send(who, method, path, body, key)
        except (OSError, Unavailable):  # refused, cut off, or nobody has answered in time
            return self._silent(method, path, excused)
        status = answer.status_code
        scene.answers[self.kind, status] += 1
        if status not in allowed and not (status == AWAY and (excused or scene.excused())):
            text = f"{method} {path} was answered {status}, and only {sorted(allowed)} would do"
            scene.violations.append(violation("answer", self.name, text, f"body: {body}", f"answer: {answer.text[:2000]}"))
        return Answer(status, _read(answer), answer.headers.get("x-openstack-request-id", ""))

    def _silent(self, method: str, path: str, excused: bool) -> Answer:
        scene = self.scene
        scene.answers[self.kind, NOT_THERE] += 1
        if not (excused or scene.excused()):
            text = f"{method} {path} was refused, and nobody had taken control away"
            scene.violations.append(violation("no answer", self.name, text))
        return Answer(NOT_THERE, None, "")

    async def ask_until_known(
        self, method: str, path: str, body: Any = None, *, allowed: Collection[int], key: str, pause_s: float = PAUSE_S
    ) -> Answer:
        """The same request, with its idempotency key, until there is an answer."""
        answer = Answer(NOT_THERE, None, "")
        for _ in range(TRIES):
            answer = await self.ask(method, path, body, allowed=allowed, key=key)
            if answer.known:
                return answer
            await asyncio.sleep(pause_s)
        self.scene.violations.append(violation("no answer", self.name, f"{method} {path} was asked {TRIES} times"))
        return answer

    def promised(self, kind: Kind, identifier: str, name: str, deed: Deed | None = None, of: str = "") -> Promise:
        """From now on the cloud has to keep it."""
        new = Promise(kind=kind, id=identifier, name=name, owner=self.tenant.name, at=time.time(), of=of)
        promise = self.scene.promises.keep(new)
        if deed is not None:
            promise.deeds.append(deed)
        return promise

    async def remove(self, promise: Promise, path: str, allowed: Collection[int]) -> Answer:
        """DELETE, and what its answer means for the promise."""
        answer = await self.ask("DELETE", path, allowed=allowed)
        if answer.status in (202, 204):
            promise.deleted = "yes"
            promise.deeds.append(self.deed("delete", answer))
        elif not answer.known and promise.deleted == "no":
            promise.deleted = "maybe"
        return answer

    async def take_out(self, path: str, word: str, name: str, allowed: Collection[int]) -> Answer | None:
        """One of what is plugged into a server is taken out, by its `name` in the list `word`; None when nothing is in it."""
        there = await self.ask("GET", path, allowed=(200, 404))
        if there.status != 200 or not there.body[word]:
            return None
        return await self.ask("DELETE", f"{path}/{self.rng.choice(there.body[word])[name]}", allowed=allowed)

    async def pause(self, at_most_s: float) -> None:
        await asyncio.sleep(self.rng.uniform(0.0, at_most_s))

    async def together(self, one: Coroutine[Any, Any, Answer], other: Coroutine[Any, Any, Answer]) -> tuple[Answer, Answer]:
        """At the same time, in either order."""
        if self.rng.random() < 0.5:
            first, second = await asyncio.gather(one, other)
            return first, second
        second, first = await asyncio.gather(other, one)
        return first, second

    def again(self, name: str) -> "Turn":
        """The same tenant under another name, with a chance of its own."""
        return Turn(self.scene, self.tenant, random.Random(self.rng.getrandbits(64)), name, self.kind)

    def image(self) -> str:
        """The cloud's image, or one that a snapshot has made."""
        mine = self.one("image")
        return mine.id if mine is not None and self.rng.random() < 0.3 else self.scene.cloud.furnished.image_id

    def perhaps(self, kind: Kind, name: str, least: int = 0, most: int = 1) -> None:
        """There may be things of this name; `least`: so many there must be."""
        self.scene.promises.maybe(Maybe(kind=kind, name=name, owner=self.tenant.name, least=least, most=most, at=time.time()))

    def wrong(self, kind: str, about: str, text: str, *facts: Any) -> None:
        self.scene.violations.append(violation(kind, about, text, *facts))

    def one(self, kind: Kind) -> Promise | None:
        """Something of the tenant's that should be there, the newer the likelier; None when there is nothing."""
        mine = self.scene.promises.of(kind, self.tenant.name)
        return mine[max(self.rng.randrange(len(mine)), self.rng.randrange(len(mine)))] if mine else None

    @property
    def admin(self) -> Tenant:
        made = self.scene.cloud.furnished
        return Tenant(name="admin", project_id=made.project_id, user_id=made.admin_id, token=made.admin_token, outside="")

    def deed(self, name: str, answer: Answer) -> Deed:
        return Deed(name=name, request_id=answer.request_id, at=time.time())


def _read(answer: Reply) -> Mapping[str, Any]:
    found = answer.json() if answer.content else {}
    return found if isinstance(found, dict) else {"found": found}
