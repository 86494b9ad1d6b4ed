"""A NIC plugged into a guest that runs, seen from inside it, and pulled out again."""

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from kilonova.drivers.disks.local import QcowDisks
from kilonova.model.ids import PortId, new_uuid
from kilonova.model.port import Wire
from tests.drivers.builds import GUEST_IMAGE, FileFetch, free_port, image_of, no_progress, placed, wired
from tests.drivers.hypervisor.conftest import Restart
from tests.drivers.hypervisor.test_boot import ssh

pytestmark = [
    pytest.mark.qemu,
    pytest.mark.guest,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not GUEST_IMAGE.exists(), reason="the guest image is not built"),
]


@pytest.fixture(scope="module")
def _asyncio_loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """The loop the roles run on: open files are handed to QEMU through its sockets."""
    return uvloop.new_event_loop


async def test_a_nic_comes_and_goes(hypervisors: Restart, disks: QcowDisks, fetch: FileFetch, tmp_path: Path) -> None:
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
    hypervisor = hypervisors()
    await hypervisor.start(complete, made)
    await ssh(port, key, "true")

    first = complete.wires[0]
    wire = Wire(port_id=PortId(new_uuid()), mac="fa:16:3e:00:00:77", mtu=1400, kind="user", addresses=first.addresses)
    await hypervisor.plug_nic(build.server_id, wire)
    await hypervisor.plug_nic(build.server_id, wire)  # comes twice
    seen = await ssh(port, key, "sleep 1; cat /sys/class/net/*/address")
    assert wire.mac in seen

    await hypervisor.unplug_nic(build.server_id, wire.port_id)
    await hypervisor.unplug_nic(build.server_id, wire.port_id)
    assert wire.mac not in await ssh(port, key, "cat /sys/class/net/*/address")

    await hypervisor.stop_now(build.server_id)
    assert await hypervisor.guests() == {build.server_id: "shutdown"}
    await hypervisor.unplug_nic(build.server_id, first.port_id)  # off: there is nothing to pull out
    await hypervisor.start(complete, await disks.existing(build))
    assert await hypervisor.guests() == {build.server_id: "running"}
