"""Every later action on a server, and every work on volumes, asked of a cloud of real processes. What each needs first and leads
to stands in tests/story/deeds.py; here is how it is asked for when whoever answers may die meanwhile."""

import http.client
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from msgspec import Struct

from tests.cloud.running import Cloud, remembered, wait_for
from tests.story.deeds import DEEDS, Deed, PlugIn, PullOut, Rebuilt, VolumeIn, VolumeOut

SERVERS = "/compute/v2.1/servers"
VERSION = "compute 2.96"
WITHIN_S = 100.0
"""Longer than any deadline, rest and repetition of the clouds of these tests together."""

# Later actions on servers.


class Asked(Struct, frozen=True):
    """One request. `name` is what the history calls the action, and the saga."""

    name: str
    method: str
    path: str
    body: Any = None


def empty(cloud: Cloud) -> None:
    """Nothing strikes any more, and what a case that failed has left goes, so that it spoils no other."""
    cloud.want_fault()
    for server in cloud.api.send("GET", SERVERS)["servers"]:
        cloud.api.delete(server["id"], WITHIN_S)
    rid_of_volumes(cloud)


def prepared(cloud: Cloud, name: str, label: str, **more: Any) -> str:
    """A server to which the action can be done; its id."""
    server_id = cloud.api.build(label, **more)
    server = cloud.api.settled(server_id, WITHIN_S)
    assert server["status"] == "ACTIVE", server
    for before in DEEDS[name].before:
        done(cloud, server_id, before)
    return server_id


def done(cloud: Cloud, server_id: str, name: str) -> None:
    """The action, to its good end."""
    ask(cloud, server_id, request(cloud, server_id, name))
    ended(cloud, server_id)
    assert cloud.api.server(server_id)["status"] == DEEDS[name].status, cloud.api.server(server_id)


def ask(cloud: Cloud, server_id: str, wanted: Asked) -> None:
    """Ask for it once: where no answer came, the server's history says whether it was taken."""
    known = len(history(cloud, server_id, wanted.name))
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        with suppress(OSError, http.client.HTTPException):
            status, answer = cloud.api.once(wanted.method, wanted.path, wanted.body, OpenStack_API_Version=VERSION)
            if status != 503:
                assert status in (200, 202, 204), (status, answer)
                return
        time.sleep(0.1)
        if len(history(cloud, server_id, wanted.name)) > known:
            return
    raise TimeoutError(f"{wanted.name}: nobody took it")


def request(cloud: Cloud, server_id: str, name: str) -> Asked:
    """What a client sends for it; the volume it needs is made here."""
    deed, server = DEEDS[name], f"{SERVERS}/{server_id}"
    if isinstance(deed, PlugIn):
        return Asked(name, "POST", f"{server}/os-interface", {"interfaceAttachment": {}})
    if isinstance(deed, PullOut):
        return Asked(name, "DELETE", f"{server}/os-interface/{ports(cloud, server_id)[0]}")
    if isinstance(deed, VolumeIn):
        wish = {"volumeId": blank_volume(cloud), "delete_on_termination": True}
        return Asked(name, "POST", f"{server}/os-volume_attachments", {"volumeAttachment": wish})
    if isinstance(deed, VolumeOut):
        return Asked(name, "DELETE", f"{server}/os-volume_attachments/{links(cloud, server_id)[0]}")
    body = {"rebuild": {"imageRef": cloud.api.image(), **deed.body}} if isinstance(deed, Rebuilt) else dict(deed.body)
    return Asked(name, "POST", f"{server}/action", body)


def ended(cloud: Cloud, identifier: str, within_s: float = WITHIN_S) -> None:
    """Until nothing is under way for the server or volume, also none of the actions that have no task state."""
    wait_for(lambda: _rests(cloud, identifier), within_s, f"the end of what is under way for {identifier}")


def done_or_told(cloud: Cloud, server_id: str, name: str, within_s: float = WITHIN_S) -> None:
    """Until nothing is under way for the server, or its history has a reason: taking back may go on for as long as it must."""

    def reached() -> bool:
        return bool(history(cloud, server_id, name)[0]["message"]) or _rests(cloud, server_id)

    wait_for(reached, within_s, f"the end of {name}")


def _rests(cloud: Cloud, identifier: str) -> bool:
    """Nothing is under way for the server or volume."""
    return not cloud.rows(f"SELECT id FROM orders WHERE server_id = '{identifier}'")


def history(cloud: Cloud, server_id: str, name: str) -> list[dict[str, Any]]:
    """Of this action, the newest first."""
    found = cloud.api.send("GET", f"{SERVERS}/{server_id}/os-instance-actions", OpenStack_API_Version=VERSION)
    return [one for one in found["instanceActions"] if one["action"] == called(name)]


def called(name: str) -> str:
    """What the history calls it: Nova's word, where that is another than the saga's."""
    words = {"image": "createImage", "confirm_resize": "confirmResize", "revert_resize": "revertResize"}
    return {**words, "crash_dump": "trigger_crash_dump"}.get(name, name)


def before_states(name: str) -> tuple[str, ...]:
    """The statuses a server may have after the action failed: as before, or in ERROR with the reason."""
    before = DEEDS[name].before
    return (DEEDS[before[-1]].status if before else "ACTIVE", "ERROR")


def as_done(cloud: Cloud, server_id: str, deed: Deed) -> None:
    """Volumes, ports and guest are as the action promised. Raises AssertionError."""
    if isinstance(deed, VolumeIn | VolumeOut):
        assert len(links(cloud, server_id)) == isinstance(deed, VolumeIn)
    if isinstance(deed, PlugIn | PullOut):
        assert len(ports(cloud, server_id)) == (2 if isinstance(deed, PlugIn) else 0)
        assert wired(cloud, server_id) == set(ports(cloud, server_id))
    fits(cloud, server_id)


def as_before(cloud: Cloud, server_id: str, deed: Deed) -> None:
    """Volumes and ports are as if nobody had asked. Raises AssertionError."""
    if isinstance(deed, VolumeIn | VolumeOut):
        assert len(links(cloud, server_id)) == isinstance(deed, VolumeOut)
    if isinstance(deed, PlugIn | PullOut):
        assert len(ports(cloud, server_id)) == 1
        assert wired(cloud, server_id) == set(ports(cloud, server_id))
    fits(cloud, server_id)


def fits(cloud: Cloud, server_id: str) -> None:
    """Its volumes are in use and served to it alone, its guest is what its status says. Raises AssertionError."""
    attached = set(links(cloud, server_id))
    assert {volume_id: status(cloud, volume_id) for volume_id in attached} == dict.fromkeys(attached, "in-use")
    others = {volume_id for volume_id in served(cloud) if volume_id not in attached and whose(cloud, volume_id) is None}
    assert not others, f"served to nobody: {others}"
    power = {"ACTIVE": "running", "VERIFY_RESIZE": "running", "RESCUE": "running", "PAUSED": "paused", "SHUTOFF": "shutdown"}
    server = cloud.api.server(server_id)
    if server["status"] in power:
        assert powers(cloud, server_id) == [power[server["status"]]], server
    shown = {"running": 1, "paused": 3, "shutdown": 4}
    assert server["status"] not in power or server["OS-EXT-STS:power_state"] == shown[power[server["status"]]], server


def powers(cloud: Cloud, server_id: str) -> list[str]:
    """What each host that knows a guest of it says of that."""
    found = []
    for memory in cloud.data.glob("nodes/*/sim-*.guests"):
        words = dict(line.split(" ", 1) for line in memory.read_text().splitlines())
        if words.get(server_id, "-") != "-":
            found.append(words[server_id].partition("@")[0])
    return found


def ports(cloud: Cloud, server_id: str) -> list[str]:
    found = cloud.api.send("GET", f"{SERVERS}/{server_id}/os-interface")["interfaceAttachments"]
    return [str(one["port_id"]) for one in found]


def wired(cloud: Cloud, server_id: str) -> set[str]:
    """The server's ports as the simulated network node has them."""
    said = [line.split(" ", 1) for memory in cloud.data.glob("nodes/*/network") for line in memory.read_text().splitlines()]
    of_server = [word for server, word in said if server == server_id] or ["-"]
    return {word for word in of_server[-1].split(",") if word not in ("-", "none")}


def links(cloud: Cloud, server_id: str) -> list[str]:
    """The volumes it shows as attached, or about to be."""
    found = cloud.api.send("GET", f"{SERVERS}/{server_id}/os-volume_attachments")["volumeAttachments"]
    return [str(one["volumeId"]) for one in found]


# Volumes.


class VolumeAct(Struct, frozen=True, kw_only=True):
    """One kind of work on a volume. `ends` is the status after it, `failed` after it failed; ``404`` is gone."""

    ask: Callable[[Cloud, str], None]
    ends: str
    failed: str
    snapshot: bool = False
    """It needs one of the volume first."""
    on_snapshot: bool = False
    """The statuses are those of the volume's snapshot."""


def volume_url(cloud: Cloud) -> str:
    project = cloud.rows("SELECT id FROM identity_projects WHERE name = 'admin'")[0][0]
    return f"/volume/v3/{project}"


def new_volume(cloud: Cloud, **more: Any) -> str:
    """Ordered, and not waited for."""
    made = cloud.api.send("POST", f"{volume_url(cloud)}/volumes", {"volume": {"size": 1, **more}})
    return str(made["volume"]["id"])


def blank_volume(cloud: Cloud) -> str:
    """The id of one that is available."""
    volume_id = new_volume(cloud)
    becomes(cloud, volume_id, "available")
    return volume_id


def new_snapshot(cloud: Cloud, volume_id: str) -> None:
    cloud.api.send("POST", f"{volume_url(cloud)}/snapshots", {"snapshot": {"volume_id": volume_id}})


def with_volume(cloud: Cloud) -> dict[str, Any]:
    """For the wish of a server: besides its own disk a volume that is there already."""
    local = {"source_type": "image", "destination_type": "local", "uuid": cloud.api.image(), "boot_index": 0}
    volume = {"source_type": "volume", "destination_type": "volume", "uuid": blank_volume(cloud)}
    return {"block_device_mapping_v2": [local, volume]}


def snapshots(cloud: Cloud, volume_id: str) -> list[dict[str, Any]]:
    """As the API shows them, the newest first."""
    found: list[dict[str, Any]] = cloud.api.send("GET", f"{volume_url(cloud)}/snapshots/detail?volume_id={volume_id}")[
        "snapshots"
    ]
    return found


def snapshot_status(cloud: Cloud, volume_id: str) -> str:
    found = snapshots(cloud, volume_id)
    return str(found[0]["status"]) if found else "404"


def status(cloud: Cloud, volume_id: str) -> str:
    """``404`` when it is gone."""
    code, answer = cloud.api.surely("GET", f"{volume_url(cloud)}/volumes/{volume_id}")
    return str(answer["volume"]["status"]) if code == 200 else str(code)


def becomes(cloud: Cloud, volume_id: str, wanted: str, within_s: float = WITHIN_S) -> None:
    wait_for(lambda: status(cloud, volume_id) == wanted, within_s, f"the volume to be {wanted}")


def whose(cloud: Cloud, volume_id: str) -> str | None:
    """The server that has the volume, or is about to."""
    code, answer = cloud.api.surely("GET", f"{volume_url(cloud)}/volumes/{volume_id}")
    found = answer["volume"]["attachments"] if code == 200 else []
    return str(found[0]["server_id"]) if found else None


def told(cloud: Cloud, volume_id: str) -> list[str]:
    """What its owner can read of what went wrong with it, or with its snapshots."""
    ids = {volume_id, *(one["id"] for one in snapshots(cloud, volume_id))}
    found = cloud.api.send("GET", f"{volume_url(cloud)}/messages", OpenStack_API_Version="volume 3.3")["messages"]
    return [str(one["user_message"]) for one in found if one["resource_uuid"] in ids]


def served(cloud: Cloud) -> list[str]:
    """The volumes that the volume node serves to anybody."""
    return [one for memory in cloud.data.glob("nodes/*/volumes.exports") for one in remembered(memory)]


def kept(cloud: Cloud) -> list[str]:
    """The volumes that the volume node has anything of."""
    return [one for memory in cloud.data.glob("nodes/*/volumes") for one in remembered(memory)]


def rid_of_volumes(cloud: Cloud) -> None:
    """All are deleted with their snapshots, and the node has nothing of them. Raises AssertionError, TimeoutError."""
    for volume in cloud.api.send("GET", f"{volume_url(cloud)}/volumes/detail")["volumes"]:
        for snapshot in snapshots(cloud, volume["id"]):
            if snapshot["status"] == "error_deleting":
                cloud.api.send("POST", f"{volume_url(cloud)}/snapshots/{snapshot['id']}/action", {"os-force_delete": {}})
                wait_for(lambda gone=volume["id"]: snapshot_status(cloud, gone) == "404", WITHIN_S, "no snapshot")  # type: ignore[misc]
        path = f"{volume_url(cloud)}/volumes/{volume['id']}"
        if volume["status"] == "error_deleting":  # as in Cinder only an admin can have this tried again
            cloud.api.send("POST", f"{path}/action", {"os-force_delete": {}})
        else:
            wait_for(lambda gone=path: _is_taken(cloud, gone), WITHIN_S, f"{volume} to be deleted")  # type: ignore[misc]
        becomes(cloud, volume["id"], "404")
    wait_for(lambda: not kept(cloud) and not served(cloud), WITHIN_S, "no volumes on the node")


def _is_taken(cloud: Cloud, path: str) -> bool:
    """A server whose host is silent is gone for its owner before its volumes are free."""
    return cloud.api.surely("DELETE", f"{path}?cascade=true")[0] in (202, 404)


def rid_of(cloud: Cloud, volume_id: str) -> None:
    """Deleted, and gone."""
    code, answer = cloud.api.surely("DELETE", f"{volume_url(cloud)}/volumes/{volume_id}")
    assert code == 202, answer
    becomes(cloud, volume_id, "404")


def _act(body: Mapping[str, Any], version: str = "volume 3.40") -> Callable[[Cloud, str], None]:
    def ask_it(cloud: Cloud, volume_id: str) -> None:
        cloud.api.send("POST", f"{volume_url(cloud)}/volumes/{volume_id}/action", dict(body), OpenStack_API_Version=version)

    return ask_it


def _revert(cloud: Cloud, volume_id: str) -> None:
    _act({"revert": {"snapshot_id": snapshots(cloud, volume_id)[0]["id"]}})(cloud, volume_id)


def _delete(cloud: Cloud, volume_id: str) -> None:
    code, answer = cloud.api.surely("DELETE", f"{volume_url(cloud)}/volumes/{volume_id}")
    assert code == 202, answer


def _delete_snapshot(cloud: Cloud, volume_id: str) -> None:
    code, answer = cloud.api.surely("DELETE", f"{volume_url(cloud)}/snapshots/{snapshots(cloud, volume_id)[0]['id']}")
    assert code == 202, answer


def _nothing_more(cloud: Cloud, volume_id: str) -> None:
    """It was asked for as the volume was named."""


UPLOAD = {"image_name": "of a volume", "disk_format": "raw", "container_format": "bare"}
VOLUME_ACTS: Mapping[str, VolumeAct] = {
    "create": VolumeAct(ask=_nothing_more, ends="available", failed="error"),
    "delete": VolumeAct(ask=_delete, ends="404", failed="error_deleting"),
    "extend": VolumeAct(ask=_act({"os-extend": {"new_size": 2}}), ends="available", failed="error_extending"),
    "snapshot": VolumeAct(ask=new_snapshot, ends="available", failed="error", on_snapshot=True),
    "delete_snapshot": VolumeAct(ask=_delete_snapshot, ends="404", failed="error_deleting", snapshot=True, on_snapshot=True),
    "revert": VolumeAct(ask=_revert, ends="available", failed="error", snapshot=True),
    "upload": VolumeAct(ask=_act({"os-volume_upload_image": UPLOAD}), ends="available", failed="available"),
}
"""By the name of the work, as lifecycle/volume_sagas.py has it."""
