"""Lists and details: always answered, and never wrong about what is gone."""

from kilonova.sim.operations.scene import Turn
from kilonova.sim.operations.servers import SERVERS

LISTS = (
    SERVERS,
    f"{SERVERS}/detail",
    f"{SERVERS}/detail?status=ERROR",
    "/compute/v2.1/limits",
    "/compute/v2.1/flavors/detail",
    "/volume/v3/volumes/detail",
    "/volume/v3/snapshots/detail",
    "/volume/v3/limits",
    "/image/v2/images",
    "/network/v2.0/ports",
    "/network/v2.0/routers",
    "/network/v2.0/floatingips",
    "/network/v2.0/security-groups",
)
PARTS = ("", "/os-instance-actions", "/os-interface", "/os-volume_attachments", "/ips", "/metadata", "/os-security-groups")


async def look(turn: Turn) -> None:
    """A list, or one server from some side."""
    server = turn.one("server")
    if server is None or turn.rng.random() < 0.4:
        await turn.ask("GET", turn.rng.choice(LISTS), allowed=(200,))
    else:
        await turn.ask("GET", f"{SERVERS}/{server.id}{turn.rng.choice(PARTS)}", allowed=(200, 404))


async def look_at_actions(turn: Turn) -> None:
    """The history of a server, and one action of it."""
    server = turn.one("server")
    if server is None:
        return
    path = f"{SERVERS}/{server.id}/os-instance-actions"
    there = await turn.ask("GET", path, allowed=(200, 404))
    if there.status == 200:
        for action in there.body["instanceActions"][:2]:
            await turn.ask("GET", f"{path}/{action['request_id']}", allowed=(200, 404))
