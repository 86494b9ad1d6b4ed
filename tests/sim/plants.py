"""Violations, each planted straight into the ledger or a driver, beside the kind that the checker must find it under."""

import time
from collections.abc import Awaitable, Callable

from kilonova.model.ids import ServerId
from kilonova.sim.checks.view import look
from kilonova.sim.operations import actions
from kilonova.sim.operations.promise import Maybe, Promise
from tests.sim.scenery import Scenery

Plant = Callable[[Scenery], Awaitable[None]]
PLANTS: list[tuple[str, Plant]] = []


def planted(kind: str) -> Callable[[Plant], Plant]:
    def note(plant: Plant) -> Plant:
        PLANTS.append((kind, plant))
        return plant

    return note


@planted("lost")
async def lost_server(at: Scenery) -> None:
    await at.drop("servers", id=at.server_id)


@planted("lost")
async def lost_volume(at: Scenery) -> None:
    at.workload.scene.promises.keep(Promise(kind="volume", id="never-made", name="v", owner="tenant-1", at=0.0))


@planted("lost")
async def lost_volume_of_a_server_that_runs(at: Scenery) -> None:
    promise = Promise(kind="volume", id="lost-beside-it", name="v", owner="tenant-1", at=0.0)
    promise.with_servers.append(at.server_id)
    at.workload.scene.promises.keep(promise)


@planted("lost")
async def lost_volume_of_a_server_whose_creation_nobody_answered(at: Scenery) -> None:
    promise = Promise(kind="volume", id="lost-beside-it", name="v", owner="tenant-1", at=0.0)
    promise.with_named += [(await at.cloud.server(at.server_id)).name, "never-made"]
    at.workload.scene.promises.keep(promise)


@planted("lost")
async def lost_port(at: Scenery) -> None:
    await at.drop("ports", id=at.promise("port").id)


@planted("lost")
async def fewer_than_asked(at: Scenery) -> None:
    at.workload.scene.promises.maybe(Maybe(kind="server", name="three", owner="tenant-1", at=0.0, least=3, most=3))


@planted("of nobody")
async def server_of_nobody(at: Scenery) -> None:
    del at.workload.accepted[at.server_id]


@planted("made twice")
async def made_twice(at: Scenery) -> None:
    await at.cloud.build(name="again")
    await at.cloud.build(name="again")
    at.workload.scene.promises.maybe(Maybe(kind="server", name="again", owner="tenant-1", at=0.0, least=1, most=1))


@planted("gone")
async def deleted_unasked(at: Scenery) -> None:
    await at.change("servers", {"deleted_at": time.time(), "vm_state": "deleted"}, id=at.server_id)


@planted("not gone")
async def deletion_forgotten(at: Scenery) -> None:
    at.workload.accepted[at.server_id].deleted = "yes"


@planted("not gone")
async def volume_deletion_forgotten(at: Scenery) -> None:
    at.promise("volume").deleted = "yes"


@planted("stuck")
async def stuck_task(at: Scenery) -> None:
    await at.change("servers", {"task_state": "powering-off"}, id=at.server_id)


@planted("stuck")
async def stuck_in_build(at: Scenery) -> None:
    await at.change("servers", {"vm_state": "building"}, id=at.server_id)


@planted("stuck")
async def stuck_volume(at: Scenery) -> None:
    await at.change("volumes", {"status": "extending"}, id=at.volume_id)


@planted("stuck")
async def stuck_snapshot(at: Scenery) -> None:
    await at.change("volume_snapshots", {"status": "deleting"}, volume_id=at.volume_id)


@planted("stuck")
async def stuck_attachment(at: Scenery) -> None:
    await at.change("volume_attachments", {"state": "detaching"}, volume_id=at.volume_id)


@planted("stuck")
async def stuck_router(at: Scenery) -> None:
    await at.change("fabric", {"settled": False}, kind="router", id=at.promise("router").id)


@planted("stuck")
async def stuck_image(at: Scenery) -> None:
    await at.change("images", {"status": "queued"}, id=at.cloud.furnished.image_id)


@planted("stuck")
async def stuck_resize(at: Scenery) -> None:
    known = {"server_id": at.server_id, "project_id": "p", "user_id": "u", "kind": "resize", "status": "migrating"}
    await at.add("migrations", uuid="m", created_at=0.0, **known)


@planted("state")
async def in_no_state_of_its_history(at: Scenery) -> None:
    await at.change("servers", {"vm_state": "stopped", "power_state": 4}, id=at.server_id)
    at.hands.hypervisor.end_by_itself(ServerId(at.server_id), "shutdown")


@planted("no reason")
async def error_without_a_reason(at: Scenery) -> None:
    await at.change("servers", {"vm_state": "error"}, id=at.server_id)


@planted("no reason")
async def error_that_names_a_host(at: Scenery) -> None:
    fault = {"code": 500, "message": "It could not be started on sim-1, sorry.", "created_at": 0.0, "details": ""}
    await at.change("servers", {"vm_state": "error", "fault": fault}, id=at.server_id)


@planted("no reason")
async def volume_error_without_a_reason(at: Scenery) -> None:
    await at.change("volumes", {"status": "error"}, id=at.volume_id)


@planted("history")
async def action_without_an_end(at: Scenery) -> None:
    await at.change("actions", {"updated_at": None}, server_id=at.server_id, action="attach_volume")


@planted("history")
async def action_not_in_the_history(at: Scenery) -> None:
    await actions.ask(at.turn("reboot"), at.promise("server"), "reboot")
    await at.cloud.clean()
    await at.drop("actions", server_id=at.server_id, action="reboot")


@planted("trace")
async def trace_without_its_steps(at: Scenery) -> None:
    await at.change("actions", {"carried": []}, server_id=at.server_id, action="create")


@planted("claim")
async def leaked_claim(at: Scenery) -> None:
    await at.add("claims", server_id="nobody", host=at.host, vcpus=1, ram_mb=512, disk_gb=1)


@planted("claim")
async def no_claim(at: Scenery) -> None:
    await at.drop("claims", server_id=at.server_id)


@planted("claim")
async def claim_of_another_size(at: Scenery) -> None:
    await at.change("claims", {"ram_mb": 1}, server_id=at.server_id)


@planted("host counters")
async def drifted_counters(at: Scenery) -> None:
    await at.change("hosts", {"vcpus_used": 7}, name=at.host)


@planted("quota")
async def leaked_quota(at: Scenery) -> None:
    await at.change("servers", {"vcpus": 5}, id=at.server_id)


@planted("port")
async def leaked_port(at: Scenery) -> None:
    await at.change("ports", {"device_id": "nobody"}, device_id=at.server_id)


@planted("port")
async def port_of_a_router_that_is_gone(at: Scenery) -> None:
    await at.change("ports", {"device_id": "nobody"}, device_owner="network:router_interface")


@planted("address")
async def freed_address_in_use(at: Scenery) -> None:
    view = await look(at.cloud)
    taken = view.rows["port_addresses"][0]
    await at.add("freed_addresses", subnet_id=taken["subnet_id"], ip_address=taken["ip_address"])


@planted("order")
async def lost_order(at: Scenery) -> None:
    known = {"server_id": at.server_id, "attempt": 1, "kind": "task", "host": at.host, "message": "Stop", "body": b"", "sent": 1}
    await at.add("orders", id="an-order", queue="compute", traceparent="", **known)


@planted("two guests")
async def two_guests(at: Scenery) -> None:
    at.elsewhere.hypervisor._memory.put(ServerId(at.server_id), "running@1.0")


@planted("guest")
async def guest_of_nobody(at: Scenery) -> None:
    at.hands.hypervisor._memory.put(ServerId("nobody"), "running@1.0")


@planted("no guest")
async def no_guest(at: Scenery) -> None:
    at.hands.hypervisor._memory.drop(ServerId(at.server_id))


@planted("power")
async def guest_that_is_off(at: Scenery) -> None:
    at.hands.hypervisor.end_by_itself(ServerId(at.server_id), "shutdown")


@planted("disks")
async def leaked_disks(at: Scenery) -> None:
    at.elsewhere.disks._memory.put(ServerId(at.server_id), "root")


@planted("disks")
async def leaked_second_set(at: Scenery) -> None:
    at.hands.disks._memory.put(ServerId(at.server_id), "root+new")


@planted("disks")
async def no_disks(at: Scenery) -> None:
    at.hands.disks._memory.drop(ServerId(at.server_id))


@planted("wire")
async def leaked_wire(at: Scenery) -> None:
    at.network._memory.put(ServerId("nobody"), "1")


@planted("wire")
async def no_wire(at: Scenery) -> None:
    at.network._memory.drop(ServerId(at.server_id))


@planted("wire")
async def one_wire_too_few(at: Scenery) -> None:
    at.network._memory.put(ServerId(at.server_id), "none")


@planted("plugged")
async def one_nic_too_few(at: Scenery) -> None:
    (port_id,) = at.hands.hypervisor.plugged(ServerId(at.server_id)) - {at.volume_id}
    await at.hands.hypervisor.unplug_nic(ServerId(at.server_id), port_id)


@planted("plugged")
async def volume_that_its_guest_does_not_have(at: Scenery) -> None:
    await at.hands.hypervisor.unplug_disk(ServerId(at.server_id), at.volume_id)


@planted("plugged")
async def nic_of_a_port_that_is_gone(at: Scenery) -> None:
    word = at.hands.hypervisor._memory.words[ServerId(at.server_id)]
    at.hands.hypervisor._memory.put(ServerId(at.server_id), f"{word},gone")


@planted("fabric")
async def router_of_nobody(at: Scenery) -> None:
    at.network._heard.put(ServerId("router/nobody"), "1")


@planted("fabric")
async def router_in_an_older_revision(at: Scenery) -> None:
    at.network._heard.put(ServerId(f"router/{at.promise('router').id}"), "0")


@planted("volume files")
async def leaked_volume_file(at: Scenery) -> None:
    at.store._volumes.put(ServerId("nobody"), "volume")


@planted("volume files")
async def no_volume_file(at: Scenery) -> None:
    at.store._volumes.drop(ServerId(at.volume_id))


@planted("export")
async def leaked_export(at: Scenery) -> None:
    at.store._exports.put(ServerId("another"), "over")


@planted("export")
async def no_export(at: Scenery) -> None:
    at.store._exports.drop(ServerId(at.volume_id))


@planted("attachment")
async def attachment_to_nobody(at: Scenery) -> None:
    await at.change("volume_attachments", {"server_id": "nobody"}, volume_id=at.volume_id)


@planted("attachment")
async def in_use_by_nobody(at: Scenery) -> None:
    await at.drop("volume_attachments", volume_id=at.volume_id)
