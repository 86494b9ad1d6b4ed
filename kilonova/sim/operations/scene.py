"""Where operations happen: the cloud, its tenants, what was promised; and the judge of every answer.

An answer is allowed, or it is a violation; an answer that never came leaves the outcome open. Decides nothing by chance.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import httpx
from msgspec import Struct

from kilonova.errors import KilonovaError
from kilonova.sim.cloud import COMPUTE_VERSION, SimulatedCloud
from kilonova.sim.operations.promise import Deed, Kind, Maybe, Promise, Promises, Tenant, Violation, violation

TRIES, PAUSE_S = 200, 3.0
"""How often and how far apart (loop time) one asks again what must become known."""
NOT_THERE = 0
"""The status of an answer that never came."""
AWAY = 503


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
        self.limits: dict[str, list[dict[str, int]]] = {}
        """Project → what its quota was, or may have been: the newest last."""

    async def send(self, tenant: Tenant, method: str, path: str, body: Any, key: str) -> httpx.Response:
        head = {"x-auth-token": tenant.token, "openstack-api-version": COMPUTE_VERSION}
        if key:
            head["idempotency-key"] = key
        return await self.cloud.control.client.request(method, path, json=body, headers=head)


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
        except (httpx.TransportError, KilonovaError):
            return self._silent(method, path, excused)
        except RuntimeError as closed:
            if "closed" not in str(closed):
                raise
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

    def promised(self, kind: Kind, identifier: str, name: str, deed: Deed | None = None) -> Promise:
        """From now on the cloud has to keep it."""
        new = Promise(kind=kind, id=identifier, name=name, owner=self.tenant.name, at=time.time())
        promise = self.scene.promises.keep(new)
        if deed is not None:
            promise.deeds.append(deed)
        return promise

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
        return Tenant(name="admin", project_id=made.project_id, user_id=made.admin_id, token=made.admin_token, admin=True)

    def deed(self, name: str, answer: Answer) -> Deed:
        return Deed(name=name, request_id=answer.request_id, at=time.time())


def _read(answer: httpx.Response) -> Mapping[str, Any]:
    found = answer.json() if answer.content else {}
    return found if isinstance(found, dict) else {"found": found}
