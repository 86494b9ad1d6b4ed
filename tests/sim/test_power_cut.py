"""A machine that loses its power: the end of its journal goes, and with it all guests that ran there."""

from kilonova.sim.plan import Plan
from kilonova.sim.seeded import SeededCloud
from tests.sim.conftest import Calm


def test_guests_go_with_their_machine_and_are_found_stopped(calm: Calm) -> None:
    async def story(cloud: SeededCloud) -> None:
        here, there = [await cloud.build() for _ in range(2)]
        for server_id in (here, there):
            await cloud.wait_for(server_id, "ACTIVE")
        assert {(await cloud.server(one)).host for one in (here, there)} == {"sim-1", "sim-2"}
        if (await cloud.server(here)).host != "sim-1":
            here, there = there, here
        node = cloud.computes["compute-1"]
        nemesis = cloud._nemesis
        nemesis.active, nemesis.plan = True, Plan(kinds={"torn": 1 << 20})
        node.cut()
        nemesis.active = False
        assert cloud.guests_ended == {here}
        await node.bury()
        await node.start()
        await cloud.wait_for(here, "SHUTOFF")
        assert (await cloud.server(there)).vm_state == "active"

    calm(story, hosts=2, nodes=2)
