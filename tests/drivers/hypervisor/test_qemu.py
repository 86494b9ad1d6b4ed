"""Real QEMU processes with a blank disk: started, found again, ended, and none left after a failure."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from kilonova.build.record import Wired
from kilonova.drivers.disks.local import QcowDisks
from kilonova.drivers.hypervisor import launch, qemu
from kilonova.drivers.hypervisor.command import memory_limit
from kilonova.drivers.hypervisor.memory import recall, write_down
from kilonova.drivers.hypervisor.qemu import QemuHypervisor
from kilonova.drivers.identity import UidRange
from kilonova.drivers.process import start_ticks
from kilonova.errors import BuildFailed, Conflict, NotFound
from kilonova.model.flavor import Flavor
from kilonova.model.guest import Disk, PowerState
from kilonova.model.ids import FlavorId, ServerId
from tests.drivers.builds import FileFetch, image_of, no_progress, open_files, placed, qemus_of, wired
from tests.drivers.hypervisor.conftest import Restart

pytestmark = pytest.mark.qemu
BLANK = b"\0" * 65536


async def built(disks: QcowDisks, fetch: FileFetch, **known: object) -> tuple[Wired, tuple[Disk, ...]]:
    build = placed(fetch.offer(image_of(BLANK), BLANK), **known)
    made = await disks.assemble(build, no_progress)
    complete = wired(build, made)
    return complete, (*made, await disks.add_config_drive(complete))


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def folder_of(tmp_path: Path, server_id: ServerId) -> Path:
    return tmp_path / "data" / "servers" / server_id / "guest"


async def until(true: object) -> None:
    """Wait until the coroutine function says yes."""
    async with asyncio.timeout(60):
        while not await true():  # type: ignore[operator]
            await asyncio.sleep(0.05)


async def test_start_once_and_destroy(hypervisor: QemuHypervisor, disks: QcowDisks, fetch: FileFetch, tmp_path: Path) -> None:
    build, made = await built(disks, fetch)
    before = open_files()
    guest = await hypervisor.start(build, made)
    assert await hypervisor.start(build, made) == guest
    assert qemus_of(build.server_id) == [guest.pid]
    assert await hypervisor.guests() == {build.server_id: "running"}
    await hypervisor.destroy(build.server_id)
    await hypervisor.destroy(build.server_id)
    assert qemus_of(build.server_id) == []
    assert await hypervisor.guests() == {}
    assert not folder_of(tmp_path, build.server_id).exists()
    assert Path(made[0].path).exists()  # disks are not the hypervisor's
    assert open_files() - before == set()


async def test_the_process_has_few_rights(hypervisor: QemuHypervisor, disks: QcowDisks, fetch: FileFetch, tmp_path: Path) -> None:
    build, made = await built(disks, fetch, admin_password="s3cret-word", user_data="c2VjcmV0")
    guest = await hypervisor.start(build, made)
    status = status_of(guest.pid)
    if os.geteuid() == 0:
        uid = str(UidRange().identity(build.server_id).uid)
        assert status["Uid"].split() == status["Gid"].split() == [uid] * 4
        assert status["Groups"] == ""
        assert int(status["CapEff"], 16) == 0 == int(status["CapPrm"], 16)
        assert (tmp_path / "data").stat().st_mode & 0o077 == 0  # and it works although it may not look into our folder
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    limits = Path(f"/proc/{guest.pid}/limits").read_text()
    assert str(memory_limit(128)) in next(line for line in limits.splitlines() if line.startswith("Max address space"))
    assert os.getsid(guest.pid) == guest.pid
    said = Path(f"/proc/{guest.pid}/cmdline").read_bytes().decode()
    assert not [word for word in ("s3cret-word", "c2VjcmV0", "My server", str(tmp_path)) if word in said]
    if os.geteuid() == 0:  # its environment: root may look
        assert "PYTEST" not in Path(f"/proc/{guest.pid}/environ").read_text()


async def test_the_firmware_speaks_on_the_console(hypervisor: QemuHypervisor, disks: QcowDisks, fetch: FileFetch) -> None:
    build, made = await built(disks, fetch)
    await hypervisor.start(build, made)

    async def said() -> bool:
        return "No bootable device" in await hypervisor.console_output(build.server_id, 20)

    await until(said)
    with pytest.raises(NotFound):
        await hypervisor.console_output(ServerId("other"), None)


async def test_what_a_guest_has_used_is_counted(hypervisor: QemuHypervisor, disks: QcowDisks, fetch: FileFetch) -> None:
    build, made = await built(disks, fetch)
    guest = await hypervisor.start(build, made)

    async def worked() -> bool:
        found = await hypervisor.diagnostics(build.server_id)
        return bool(found.disks[0].read_requests and found.cpus[0].time_ns)

    await until(worked)  # the firmware looks at its disks
    found = await hypervisor.diagnostics(build.server_id)
    assert (found.power, found.accelerator, found.started_at) == ("running", guest.accelerator, guest.started_at)
    assert [cpu.id for cpu in found.cpus] == list(range(build.flavor.vcpus))
    assert {"root"} <= {disk.name for disk in found.disks} and all(disk.errors == 0 for disk in found.disks)
    assert found.disks[0].read_bytes >= 512
    assert found.nics == tuple(wire.mac for wire in build.wires)
    assert found.resident_bytes and found.resident_bytes > 1 << 20
    await hypervisor.pause(build.server_id)
    with pytest.raises(Conflict, match="power state paused"):
        await hypervisor.diagnostics(build.server_id)
    await hypervisor.stop_now(build.server_id)
    for is_off in (build.server_id, ServerId("other")):
        with pytest.raises(Conflict, match="power state shutdown"):
            await hypervisor.diagnostics(is_off)


async def test_a_restarted_role_finds_its_guests(hypervisors: Restart, disks: QcowDisks, fetch: FileFetch) -> None:
    first = hypervisors()
    build, made = await built(disks, fetch)
    guest = await first.start(build, made)
    await first.close()
    second = hypervisors()
    assert await second.guests() == {build.server_id: "running"}
    assert await second.start(build, made) == guest
    assert qemus_of(build.server_id) == [guest.pid]
    await second.destroy(build.server_id)
    assert qemus_of(build.server_id) == []


ROLE = """
import asyncio, sys
from pathlib import Path
from tests.drivers.builds import *
from kilonova.drivers.disks.local import QcowDisks
from kilonova.drivers.hypervisor.plugs import UserPlugs
from kilonova.drivers.hypervisor.qemu import QemuHypervisor

async def role(root):
    fetch, blank = FileFetch(), b"\\0" * 65536
    build = placed(fetch.offer(image_of(blank), blank))
    made = await QcowDisks(root, fetch).assemble(build, no_progress)
    await QemuHypervisor(HostName("h"), root, UserPlugs()).start(wired(build, made), made)
    print(build.server_id, flush=True)
    await asyncio.sleep(60)

asyncio.run(role(Path(sys.argv[1])))
"""


async def test_a_guest_outlives_a_role_that_is_killed(hypervisors: Restart, tmp_path: Path) -> None:
    second = hypervisors()
    role = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ROLE, str(tmp_path / "data"), stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    assert role.stdout is not None
    async with asyncio.timeout(60):
        server_id = ServerId((await role.stdout.readline()).decode().strip())
    role.kill()
    await role.wait()
    (pid,) = qemus_of(server_id)
    told: asyncio.Queue[tuple[ServerId, PowerState]] = asyncio.Queue()
    second.watch(lambda *end: told.put_nowait(end))
    assert await second.guests() == {server_id: "running"}
    os.kill(pid, signal.SIGKILL)  # not our child, and still we learn of its end
    async with asyncio.timeout(10):
        assert await told.get() == (server_id, "crashed")


async def test_a_start_interrupted_by_a_crash_is_found(
    hypervisors: Restart, disks: QcowDisks, fetch: FileFetch, tmp_path: Path
) -> None:
    """The role died after the process was made and before its pid was written down."""
    first = hypervisors()
    build, made = await built(disks, fetch)
    guest = await first.start(build, made)
    await first.close()
    folder = folder_of(tmp_path, build.server_id)
    memory = recall(folder)
    assert memory is not None
    write_down(folder, replace(memory, pid=0, start_ticks=0))
    second = hypervisors()
    assert (await second.start(build, made)).pid == guest.pid
    await second.close()
    write_down(folder, replace(memory, pid=0, start_ticks=0))
    third = hypervisors()
    await third.destroy(build.server_id)
    assert qemus_of(build.server_id) == []


async def test_a_start_that_never_came_to_a_process_is_forgotten(
    hypervisors: Restart, disks: QcowDisks, fetch: FileFetch, tmp_path: Path
) -> None:
    first = hypervisors()
    build, made = await built(disks, fetch)
    await first.start(build, made)
    folder = folder_of(tmp_path, build.server_id)
    memory = recall(folder)
    await first.destroy(build.server_id)
    assert memory is not None
    folder.mkdir()
    write_down(folder, replace(memory, pid=0, start_ticks=0))
    assert await hypervisors().guests() == {}
    assert not folder.exists()


async def test_another_process_with_the_pid_is_left_alone(
    hypervisors: Restart, disks: QcowDisks, fetch: FileFetch, tmp_path: Path
) -> None:
    first = hypervisors()
    build, made = await built(disks, fetch)
    await first.start(build, made)
    folder = folder_of(tmp_path, build.server_id)
    memory = recall(folder)
    await first.destroy(build.server_id)
    assert memory is not None
    folder.mkdir()
    write_down(folder, replace(memory, pid=os.getpid(), start_ticks=start_ticks(os.getpid()) or 0))
    second = hypervisors()
    assert await second.guests() == {build.server_id: "crashed"}
    await second.destroy(build.server_id)  # and we are still here


async def test_a_killed_guest_is_told_as_crashed(hypervisors: Restart, disks: QcowDisks, fetch: FileFetch) -> None:
    hypervisor = hypervisors()
    told: asyncio.Queue[tuple[ServerId, PowerState]] = asyncio.Queue()
    hypervisor.watch(lambda server_id, power: told.put_nowait((server_id, power)))
    build, made = await built(disks, fetch)
    guest = await hypervisor.start(build, made)
    os.kill(guest.pid, signal.SIGKILL)
    async with asyncio.timeout(10):
        assert await told.get() == (build.server_id, "crashed")
    assert await hypervisor.guests() == {build.server_id: "crashed"}
    again = await hypervisor.start(build, made)
    assert again.pid != guest.pid
    assert await hypervisor.guests() == {build.server_id: "running"}
    await hypervisor.close()
    os.kill(again.pid, signal.SIGKILL)  # while nobody watches
    await until(lambda: asyncio.sleep(0, start_ticks(again.pid) is None))
    assert await hypervisors().guests() == {build.server_id: "crashed"}


async def test_a_guest_that_does_not_listen_is_ended(hypervisor: QemuHypervisor, disks: QcowDisks, fetch: FileFetch) -> None:
    told: list[ServerId] = []
    hypervisor.watch(lambda server_id, _: told.append(server_id))
    build, made = await built(disks, fetch)
    await hypervisor.start(build, made)
    await hypervisor.shut_down(build.server_id, 0.5)
    assert qemus_of(build.server_id) == []
    assert await hypervisor.guests() == {build.server_id: "shutdown"}
    assert told == []  # it was wanted
    await hypervisor.shut_down(build.server_id, 0.5)
    assert (await hypervisor.start(build, made)).pid in qemus_of(build.server_id)
    with pytest.raises(NotFound):
        await hypervisor.shut_down(ServerId("other"), 1)


async def test_delete_does_not_wait_for_a_shutdown(hypervisor: QemuHypervisor, disks: QcowDisks, fetch: FileFetch) -> None:
    build, made = await built(disks, fetch)
    await hypervisor.start(build, made)
    shutting = asyncio.create_task(hypervisor.shut_down(build.server_id, 3600))
    await asyncio.sleep(0.1)
    await hypervisor.destroy(build.server_id)
    async with asyncio.timeout(20):
        await shutting
    assert await hypervisor.guests() == {}
    assert qemus_of(build.server_id) == []


async def test_failures_leave_neither_process_nor_file(
    hypervisors: Restart, disks: QcowDisks, fetch: FileFetch, tmp_path: Path
) -> None:
    script = tmp_path / "refuses"
    script.write_text("#!/bin/sh\necho \"qemu-system-x86_64: cannot open '/etc/secret': no\" >&2\nexit 1\n")
    script.chmod(0o755)
    build, made = await built(disks, fetch)
    good = hypervisors()
    huge = replace(build, flavor=Flavor(id=FlavorId("2"), name="huge", vcpus=1, ram_mb=1 << 30, disk_gb=1))
    lost = (replace(made[0], path=str(tmp_path / "lost.qcow2")),)
    stranger = replace(build, wires=(replace(build.wires[0], kind="tap"),))
    damaged = (replace(made[0], format="qcow2", path=made[-1].path, backing_path=None),)
    cases = [(huge, made), (build, lost), (stranger, made), (build, damaged)]
    await good.about.qemu()
    before = open_files()
    for wish, given in cases:
        with pytest.raises(BuildFailed) as error:
            await good.start(wish, given)
        assert "/" not in str(error.value).replace("(a file)", "")
        assert qemus_of(build.server_id) == []
        assert not folder_of(tmp_path, build.server_id).exists()
        assert await good.guests() == {}
    assert open_files() - before == set()
    # As root the guest's user cannot even reach the script, else it runs and complains: the path is not told either way.
    for binary, words in (("/bin/false", "its process ended at once"), (str(script), r"\(a file\)")):
        broken = hypervisors(binary)
        broken.about._qemu = await good.about.qemu()
        with pytest.raises(BuildFailed, match=f"could not be started: .*{words}"):
            await broken.start(build, made)
        assert not folder_of(tmp_path, build.server_id).exists()


async def test_a_qemu_that_says_nothing_and_a_start_that_is_cancelled(
    hypervisors: Restart, disks: QcowDisks, fetch: FileFetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, made = await built(disks, fetch)
    silent = hypervisors()
    real = launch.launch

    def stopped(plan: launch.Plan, plugs: object) -> int:
        pid = real(plan, plugs)  # type: ignore[arg-type]
        os.kill(pid, signal.SIGSTOP)
        return pid

    monkeypatch.setattr(qemu, "launch", stopped)
    monkeypatch.setattr(qemu, "_GREETING_S", 0.5)
    with pytest.raises(BuildFailed, match="does not answer"):
        await silent.start(build, made)
    assert qemus_of(build.server_id) == []
    monkeypatch.setattr(qemu, "_GREETING_S", 600)
    starting = asyncio.create_task(silent.start(build, made))
    await until(lambda: asyncio.sleep(0, bool(qemus_of(build.server_id))))
    starting.cancel()
    await asyncio.wait([starting])
    assert starting.cancelled()
    assert qemus_of(build.server_id) == []
    assert not folder_of(tmp_path, build.server_id).exists()


async def test_many_at_once_and_a_folder_with_a_long_name(
    hypervisors: Restart, disks: QcowDisks, fetch: FileFetch, tmp_path: Path
) -> None:
    hypervisor = hypervisors()
    builds = [await built(disks, fetch) for _ in range(4)]
    assert len(str(folder_of(tmp_path, builds[0][0].server_id))) > 80
    guests = await asyncio.gather(*(hypervisor.start(build, made) for build, made in builds))
    assert len({guest.pid for guest in guests}) == 4
    assert set((await hypervisor.guests()).values()) == {"running"}
    await asyncio.gather(*(hypervisor.destroy(build.server_id) for build, _ in builds))
    assert await hypervisor.guests() == {}
