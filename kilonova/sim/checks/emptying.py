"""The end of everything, by the API, as an operator would: whatever was ever made is deleted, and then nothing at all is left."""

from collections.abc import Awaitable, Callable, Iterator

from kilonova.sim.checks.view import View, look, look_at
from kilonova.sim.cloud import SimulatedCloud
from kilonova.sim.operations.promise import Violation, violation

Rest = Callable[[], Awaitable[list[Violation]]]
COMPUTE, VOLUME, NETWORK, IMAGE = "/compute/v2.1/servers", "/volume/v3", "/network/v2.0", "/image/v2/images"


class Emptying:
    """`run` deletes; `rest` waits until nothing moves, and says what does not end."""

    def __init__(self, cloud: SimulatedCloud, rest: Rest) -> None:
        self._cloud, self._rest = cloud, rest
        self.violations: list[Violation] = []

    async def run(self) -> View:
        """What is there when everything is deleted."""
        view = await look(self._cloud)
        with_it = [one["volume_id"] for one in view.rows["volume_attachments"] if one["delete_on_termination"]]
        kept = {one["volume_id"] for one in view.rows["volume_snapshots"]}
        for row in view.alive:
            await self._ask("DELETE", f"{COMPUTE}/{row['id']}")
        self.violations += await self._rest()
        view = await look(self._cloud)
        there = {row["id"]: row["status"] for row in view.rows["volumes"]}
        for volume_id in sorted({*with_it} - kept):
            if there.get(volume_id, "error_deleting") != "error_deleting":
                text = f"it was to go with its server, and is {there[volume_id]}"
                self.violations.append(violation("not gone", volume_id, text))
        await self._networks(view)
        await self._snapshots(view)
        self.violations += await self._rest()
        for row in await look_at(self._cloud, "volumes"):
            await self._ask("POST", f"{VOLUME}/volumes/{row['id']}/action", {"os-force_delete": {}})
        self.violations += await self._rest()
        return await look(self._cloud)

    async def _networks(self, view: View) -> None:
        for row in view.rows["floating_ips"]:
            await self._ask("DELETE", f"{NETWORK}/floatingips/{row['id']}")
        for port in view.of("ports", device_owner="network:router_interface"):
            path = f"{NETWORK}/routers/{port['device_id']}/remove_router_interface"
            await self._ask("PUT", path, {"port_id": port["id"]})
        for row in view.rows["routers"]:
            await self._ask("DELETE", f"{NETWORK}/routers/{row['id']}")
        for port in view.rows["ports"]:
            if not port["device_owner"].startswith("network:"):
                await self._ask("DELETE", f"{NETWORK}/ports/{port['id']}")
        for group in view.rows["security_groups"]:
            if group["default_of"] is None:
                await self._ask("DELETE", f"{NETWORK}/security-groups/{group['id']}")
        for row in view.rows["networks"]:
            if not row["external"] and row["id"] != self._cloud.furnished.network_id:
                await self._ask("DELETE", f"{NETWORK}/networks/{row['id']}")

    async def _snapshots(self, view: View) -> None:
        for row in view.rows["volume_snapshots"]:
            await self._ask("POST", f"{VOLUME}/snapshots/{row['id']}/action", {"os-force_delete": {}})
        for image in view.of("images", deleted_at=None):
            if image["id"] != self._cloud.furnished.image_id:
                await self._ask("DELETE", f"{IMAGE}/{image['id']}")

    async def _ask(self, method: str, path: str, body: object = None) -> None:
        answer = await self._cloud.send(method, path, body)
        if answer.status_code not in (200, 202, 204):
            text = f"an admin's {method} was answered {answer.status_code}: {answer.text}"
            self.violations.append(violation("answer", path, text))


def left(view: View, network_id: str, image_id: str) -> Iterator[Violation]:
    """When all is deleted, nothing at all is left but what the cloud began with."""
    own = {network_id, *(row["id"] for row in view.of("networks", external=True))}
    things = {
        "guests": view.guests,
        "disks": view.disks,
        "wires": sorted(view.wires),
        "volume files": sorted(view.files),
        "exports": sorted(view.exports),
        "revisions": [name for name in view.known if name.partition("/")[0] in ("router", "server")],
        "networks": [row for row in view.rows["networks"] if row["id"] not in own],
        "groups": [row for row in view.rows["security_groups"] if row["default_of"] is None],
        "images": [row for row in view.of("images", deleted_at=None) if row["id"] != image_id],
        **{name: view.rows[name] for name in GONE},
    }
    for name, there in things.items():
        if there:
            yield violation("left", name, f"everything is deleted, and {len(there)} are there", *there)
    for host in view.rows["hosts"]:
        used = {name: host[name] for name in ("vcpus_used", "ram_mb_used", "disk_gb_used", "servers") if host[name]}
        if used:
            yield violation("left", host["name"], f"everything is deleted, and {used} is counted")


GONE = (
    "claims",
    "orders",
    "ports",
    "port_addresses",
    "routers",
    "floating_ips",
    "volumes",
    "volume_snapshots",
    "volume_attachments",
)
