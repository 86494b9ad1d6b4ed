"""How a guest does, as admins are told: two forms, and nothing of a guest that does not run."""

from kilonova.model.diagnostics import CpuTime, Diagnostics, DiskCounters
from tests.api.compute.conftest import Compute

NOBODY = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"
MAC = "fa:16:3e:00:00:01"
ROOT = DiskCounters(name="root", read_bytes=512, read_requests=1, write_bytes=0, write_requests=0, errors=0)


async def test_both_forms(compute: Compute) -> None:
    path = f"/servers/{await compute.server()}/diagnostics"
    compute.desk.running = Diagnostics(
        power="running", accelerator="tcg", started_at=compute.cloud.world.now() - 100,
        cpus=(CpuTime(id=0, time_ns=17), CpuTime(id=1)), disks=(ROOT,), nics=(MAC,), resident_bytes=4096,
    )  # fmt: skip
    told = (await compute.admin("GET", path, version="2.48")).json()
    assert (told["hypervisor"], told["memory_details"]["maximum"], told["num_cpus"]) == ("qemu", 512, 1)
    assert 100 <= told["uptime"] < 1000
    assert [cpu["time"] for cpu in told["cpu_details"]] == [17, None]
    assert told["disk_details"][0]["read_bytes"] == 512
    assert [nic["mac_address"] for nic in told["nic_details"]] == [MAC] and told["nic_details"][0]["rx_octets"] is None
    assert (await compute.admin("GET", path, version="2.47")).json() == {
        "memory": 524288, "memory-rss": 4, "cpu0_time": 17,
        "root_read": 512, "root_read_req": 1, "root_write": 0, "root_write_req": 0, "root_errors": 0,
    }  # fmt: skip


async def test_for_admins_of_guests_that_run(compute: Compute) -> None:
    path = f"/servers/{await compute.server()}/diagnostics"
    assert (await compute.send("GET", path)).status_code == 403
    assert (await compute.admin("GET", path)).status_code == 409
    assert (await compute.admin("GET", path + "?colour=1")).status_code == 400
    assert (await compute.admin("GET", f"/servers/{NOBODY}/diagnostics")).status_code == 404
