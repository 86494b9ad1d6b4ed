"""A real guest, from image to ssh and back: what a server's owner sees of these drivers."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from kilonova.drivers.disks.local import QcowDisks
from kilonova.errors import NotFound
from kilonova.model.guest import PowerState
from kilonova.model.ids import ServerId
from tests.drivers.builds import GUEST_IMAGE, FileFetch, free_port, image_of, no_progress, placed, qemus_of, wired
from tests.drivers.hypervisor.conftest import Restart

pytestmark = [
    pytest.mark.qemu,
    pytest.mark.guest,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not GUEST_IMAGE.exists(), reason="the guest image is not built"),
]


async def ssh(port: int, key: Path, command: str) -> str:
    """Run a command in the guest, again until it answers."""
    words = ["ssh", "-i", str(key), "-p", str(port), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
             "-o", "LogLevel=ERROR", "-o", "BatchMode=yes", "-o", "ConnectTimeout=2", "root@127.0.0.1", command]  # fmt: skip
    async with asyncio.timeout(120):
        while True:
            done = await asyncio.to_thread(subprocess.run, words, capture_output=True, text=True, timeout=60)
            if done.returncode == 0:
                return done.stdout
            await asyncio.sleep(0.5)


async def test_a_guest_from_image_to_power_off(hypervisors: Restart, disks: QcowDisks, fetch: FileFetch, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True, timeout=30)
    content = GUEST_IMAGE.read_bytes()
    build = placed(
        fetch.offer(image_of(content, "qcow2"), content), key_name="mine", public_key=key.with_suffix(".pub").read_text()
    )
    port = free_port()
    made = await disks.assemble(build, no_progress)
    complete = wired(build, made, ssh_port=port)
    made = (*made, await disks.add_config_drive(complete))
    first = hypervisors()
    guest = await first.start(complete, made)

    said = await ssh(port, key, "hostname; ip -4 addr; ip link")
    assert "my-server" in said
    assert "10.0.0.5/24" in said  # exactly the port's address, by DHCP
    assert complete.wires[0].mac in said
    assert await first.console_output(build.server_id, 5)

    await first.close()  # the role restarts; the guest does not notice
    second = hypervisors()
    told: asyncio.Queue[tuple[ServerId, PowerState]] = asyncio.Queue()
    second.watch(lambda server_id, power: told.put_nowait((server_id, power)))
    assert await second.guests() == {build.server_id: "running"}
    await ssh(port, key, "echo kept > /root/note && sync")
    await second.shut_down(build.server_id, 60)
    assert await second.guests() == {build.server_id: "shutdown"}
    assert qemus_of(build.server_id) == []
    assert told.empty()

    again = await second.start(complete, made)  # the same disk, a new process
    assert again.pid != guest.pid
    assert await ssh(port, key, "cat /root/note") == "kept\n"
    await ssh(port, key, "(sleep 1; poweroff) >/dev/null 2>&1 &")  # by itself
    async with asyncio.timeout(60):
        assert await told.get() == (build.server_id, "shutdown")
    assert await second.guests() == {build.server_id: "shutdown"}
    await second.destroy(build.server_id)
    with pytest.raises(NotFound):
        await second.console_output(build.server_id, None)
    assert GUEST_IMAGE.read_bytes() == content


async def test_a_power_off_while_nobody_watches_is_no_crash(
    hypervisors: Restart, disks: QcowDisks, fetch: FileFetch, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True, timeout=30)
    content = GUEST_IMAGE.read_bytes()
    build = placed(
        fetch.offer(image_of(content, "qcow2"), content), key_name="mine", public_key=key.with_suffix(".pub").read_text()
    )
    port = free_port()
    made = await disks.assemble(build, no_progress)
    complete = wired(build, made, ssh_port=port)
    made = (*made, await disks.add_config_drive(complete))
    first = hypervisors()
    await first.start(complete, made)
    await ssh(port, key, "(sleep 1; poweroff) >/dev/null 2>&1 &")
    await first.close()
    log = tmp_path / "data" / "servers" / build.server_id / "guest" / "console.log"
    async with asyncio.timeout(60):
        while "Power down" not in log.read_text(errors="replace") and "power down" not in log.read_text(errors="replace").lower():
            await asyncio.sleep(0.2)
    await asyncio.sleep(1)
    second = hypervisors()
    async with asyncio.timeout(20):
        while (await second.guests())[build.server_id] == "running":
            await asyncio.sleep(0.1)
    assert await second.guests() == {build.server_id: "shutdown"}
    async with asyncio.timeout(20):
        while qemus_of(build.server_id):
            await asyncio.sleep(0.1)
