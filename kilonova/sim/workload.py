"""What clients do to a simulated cloud: many tenants, all kinds of operations, as chance has it. Every answer is judged.

Each operation draws from a chance of its own, made from the workload's seed and its number: leaving one out, as shrinking does,
changes nothing in what the others draw. A workload decides nothing by the clock or by the order of a set.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Sequence

from kilonova.sim.cloud import SimulatedCloud
from kilonova.sim.folder import PASSWORD, sign_in
from kilonova.sim.operations import ALWAYS, OPERATIONS
from kilonova.sim.operations.promise import Promise, Tenant, Violation
from kilonova.sim.operations.scene import Scene, Turn
from kilonova.sim.operations.servers import HUGE

LEFT_OUT = 0.35
"""How likely a seed goes without a kind of operation: what is rare among everything is common among little."""
LONGEST_PAUSE_S = 2.0
MOST_IN_FLIGHT = 8
OUTSIDE = "outside"
SMALL = {"instances": 3, "cores": 4, "ram": 4096}
LARGE = {"instances": 500, "cores": -1, "ram": -1}


class Workload:
    """`accepted`: what the cloud has promised so far; `violations`: answers that no promise allows.

    `excused` says whether control or its database is made to be away just now, so that 503 and silence are allowed.
    `only_kinds`: nothing but these, instead of what the chance leaves in.
    """

    def __init__(
        self,
        cloud: SimulatedCloud,
        rng: random.Random,
        tenants: Sequence[Tenant],
        excused: Callable[[], bool] | None = None,
        *,
        only_kinds: Collection[str] = (),
    ) -> None:
        self._rng, self._seed = rng, rng.getrandbits(64)
        self.scene = Scene(cloud, tenants, excused or (lambda: not cloud.control.alive))
        drawn = {kind for kind in OPERATIONS if kind in ALWAYS or rng.random() >= LEFT_OUT}
        self.kinds = {kind: weight for kind, (weight, _) in OPERATIONS.items() if kind in (only_kinds or drawn)}
        self.scene.several_networks = "create_router" in self.kinds

    @property
    def accepted(self) -> dict[str, Promise]:
        return self.scene.promises.accepted

    @property
    def violations(self) -> list[Violation]:
        return self.scene.violations

    async def step(self, number: int) -> None:
        """One client's operation. Never raises for an answer that is allowed, nor for one that is not."""
        own = random.Random(f"{self._seed}/{number}")
        kind = own.choices(list(self.kinds), list(self.kinds.values()))[0]
        tenant = own.choice(self.scene.tenants)
        await OPERATIONS[kind][1](Turn(self.scene, tenant, own, f"{kind}-{number}", kind))

    async def run(self, operations: int) -> None:
        """So many operations, some at the same time, with pauses of loop time between them."""
        numbers = iter(range(operations))
        at_once = self._rng.randint(1, MOST_IN_FLIGHT)

        async def one_client(name: int) -> None:
            pauses = random.Random(f"{self._seed}/pauses/{name}")
            for number in numbers:
                await asyncio.sleep(pauses.choice((0.0, pauses.uniform(0.0, LONGEST_PAUSE_S))))
                await self.step(number)

        await asyncio.gather(*(one_client(name) for name in range(at_once)))


async def settle_tenants(cloud: SimulatedCloud, count: int) -> list[Tenant]:
    """Projects ``tenant-1``… with a user each; every third has a small quota. And a flavor that no host can hold.

    The network ``outside`` is external, for routers and floating IPs.
    """
    net = {"name": OUTSIDE, "router:external": True}
    made = (await cloud.send("POST", "/network/v2.0/networks", {"network": net})).raise_for_status().json()["network"]
    subnet = {"network_id": made["id"], "ip_version": 4, "cidr": "203.0.113.0/24", "enable_dhcp": False}
    (await cloud.send("POST", "/network/v2.0/subnets", {"subnet": subnet})).raise_for_status()
    huge = {"name": HUGE, "id": HUGE, "vcpus": 1000, "ram": 1 << 20, "disk": 1}
    (await cloud.send("POST", "/compute/v2.1/flavors", {"flavor": huge})).raise_for_status()
    roles = (await cloud.send("GET", "/identity/v3/roles?name=member")).raise_for_status().json()["roles"]
    return [await _settle(cloud, f"tenant-{number + 1}", roles[0]["id"], made["id"]) for number in range(count)]


async def _settle(cloud: SimulatedCloud, name: str, role_id: str, outside: str) -> Tenant:
    small = int(name.partition("-")[2]) % 3 == 0
    project = (await cloud.send("POST", "/identity/v3/projects", {"project": {"name": name}})).raise_for_status().json()
    project_id = project["project"]["id"]
    user = {"name": name, "password": PASSWORD}
    user_id = (await cloud.send("POST", "/identity/v3/users", {"user": user})).raise_for_status().json()["user"]["id"]
    grant = f"/identity/v3/projects/{project_id}/users/{user_id}/roles/{role_id}"
    (await cloud.send("PUT", grant)).raise_for_status()
    quota = {"quota_set": SMALL if small else LARGE}
    (await cloud.send("PUT", f"/compute/v2.1/os-quota-sets/{project_id}", quota)).raise_for_status()
    token = await sign_in(cloud.control.client, name, project_id)
    return Tenant(name=name, project_id=project_id, user_id=user_id, token=token, outside=outside)
