"""How each later action is asked for over the API, from which state, and what it leads to."""

import time
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, structs

from kilonova.model.caller import Caller
from kilonova.model.server import Server
from kilonova.model.volume_wish import BootVolume, VolumeTerms
from kilonova.sim import SimulatedCloud


class Deed(Struct, frozen=True, kw_only=True):
    """One action. `before`: actions that must have been done; `lost`: vm_states it may leave when it fails, beside the old."""

    body: Mapping[str, Any]
    status: str
    before: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    server: Mapping[str, Any] = {}

    async def ask(self, cloud: SimulatedCloud, server_id: str) -> None:
        answer = await cloud.send("POST", f"/compute/v2.1/servers/{server_id}/action", dict(self.body))
        assert answer.status_code in (200, 202, 204), answer.text

    async def ended(self, cloud: SimulatedCloud, server_id: str) -> Server:
        """Waits until nothing is under way."""

        def settled(tx: Any) -> bool:
            server = tx.servers.whatever(server_id)
            return server.task_state is None and not tx.orders.open_servers() & {server_id}

        await cloud.until(lambda: cloud.ledger.read(settled), "the end of the action")
        return await cloud.server(server_id)


class PlugIn(Deed, frozen=True, kw_only=True):
    """One NIC more, on the cloud's only network."""

    async def ask(self, cloud: SimulatedCloud, server_id: str) -> None:
        answer = await cloud.send("POST", f"/compute/v2.1/servers/{server_id}/os-interface", {"interfaceAttachment": {}})
        assert answer.status_code == 200, answer.text


class PullOut(Deed, frozen=True, kw_only=True):
    """The first NIC goes."""

    async def ask(self, cloud: SimulatedCloud, server_id: str) -> None:
        path = f"/compute/v2.1/servers/{server_id}/os-interface"
        first = (await cloud.send("GET", path)).json()["interfaceAttachments"][0]
        answer = await cloud.send("DELETE", f"{path}/{first['port_id']}")
        assert answer.status_code == 202, answer.text


class Rebuilt(Deed, frozen=True, kw_only=True):
    """From the image it was made of, which is the only one there."""

    async def ask(self, cloud: SimulatedCloud, server_id: str) -> None:
        asked = {"rebuild": {"imageRef": cloud.furnished.image_id, **self.body}}
        answer = await cloud.send("POST", f"/compute/v2.1/servers/{server_id}/action", asked)
        assert answer.status_code == 202, answer.text


class VolumeIn(Deed, frozen=True, kw_only=True):
    """A new, blank volume."""

    async def ask(self, cloud: SimulatedCloud, server_id: str) -> None:
        volume_id = await blank_volume(cloud)
        path = f"/compute/v2.1/servers/{server_id}/os-volume_attachments"
        answer = await cloud.send("POST", path, {"volumeAttachment": {"volumeId": volume_id, "delete_on_termination": True}})
        assert answer.status_code == 200, answer.text


class VolumeOut(Deed, frozen=True, kw_only=True):
    """The first volume goes."""

    async def ask(self, cloud: SimulatedCloud, server_id: str) -> None:
        path = f"/compute/v2.1/servers/{server_id}/os-volume_attachments"
        first = (await cloud.send("GET", path)).json()["volumeAttachments"][0]
        answer = await cloud.send("DELETE", f"{path}/{first['volumeId']}")
        assert answer.status_code == 202, answer.text


async def blank_volume(cloud: SimulatedCloud) -> str:
    """The id of one that is available."""
    caller = Caller(user_id=cloud.furnished.admin_id, user_name="admin", project_id=cloud.furnished.project_id)
    wish = BootVolume(source="blank", size_gb=1)
    now = time.time()

    def order(tx: Any) -> str:
        tx.volumes.quotas.change(cloud.furnished.project_id, {"volumes": -1})
        return str(tx.volumes.for_boot(wish, caller, VolumeTerms(now=now, ticket=lambda image_id, node, until: "")))

    volume_id = await cloud.ledger.write(order)

    def made(tx: Any) -> bool:
        return bool(tx.volumes.volumes.get(volume_id).status == "available")

    await cloud.until(lambda: cloud.ledger.read(made), "the volume")
    return volume_id


async def bootable_volume(cloud: SimulatedCloud) -> str:
    """The same, and its owner has said that something boots from it."""
    volume_id = await blank_volume(cloud)

    def say(tx: Any) -> None:
        tx.volumes.volumes.replace(structs.replace(tx.volumes.volumes.get(volume_id), bootable=True))

    await cloud.ledger.write(say)
    return volume_id


DEEDS: Mapping[str, Deed] = {
    "stop": Deed(body={"os-stop": None}, status="SHUTOFF"),
    "start": Deed(body={"os-start": None}, status="ACTIVE", before=("stop",)),
    "reboot": Deed(body={"reboot": {"type": "SOFT"}}, status="ACTIVE"),
    "pause": Deed(body={"pause": None}, status="PAUSED"),
    "unpause": Deed(body={"unpause": None}, status="ACTIVE", before=("pause",)),
    "crash_dump": Deed(body={"trigger_crash_dump": None}, status="ACTIVE"),
    "rebuild": Rebuilt(body={"name": "two"}, status="ACTIVE"),
    "image": Deed(body={"createImage": {"name": "snapshot"}}, status="ACTIVE"),
    "resize": Deed(body={"resize": {"flavorRef": "2"}}, status="VERIFY_RESIZE"),
    "confirm_resize": Deed(body={"confirmResize": None}, status="ACTIVE", before=("resize",)),
    "revert_resize": Deed(body={"revertResize": None}, status="ACTIVE", before=("resize",)),
    "rescue": Deed(body={"rescue": None}, status="RESCUE"),
    "unrescue": Deed(body={"unrescue": None}, status="ACTIVE", before=("rescue",), lost=("error",)),
    "attach_interface": PlugIn(body={}, status="ACTIVE"),
    "detach_interface": PullOut(body={}, status="ACTIVE"),
    "attach_volume": VolumeIn(body={}, status="ACTIVE"),
    "detach_volume": VolumeOut(body={}, status="ACTIVE", before=("attach_volume",)),
}
