"""The stock command line and a real guest: what was asked for is what the guest itself says it has."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kilonova import guestimage
from tests.clients.conftest import openrc
from tests.clients.session import Session
from tests.cloud.running import running, wait_for

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.wire,
    pytest.mark.qemu,
    pytest.mark.guest,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and taps need root"),
    pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="QEMU is not installed"),
    pytest.mark.skipif(shutil.which("dnsmasq") is None, reason="dnsmasq is not installed"),
]
WORDS = "ordered-with-the-stock-client"


@pytest.fixture(scope="module")
def guest_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = Path(os.environ.get("KILONOVA_CACHE") or Path(__file__).parents[2] / ".cache") / "guestimage"
    return guestimage.build(tmp_path_factory.mktemp("image") / "guest.qcow2", cache, print)


@pytest.mark.timeout(240)
def test_a_real_guest_with_key_and_user_data(guest_image: Path, tmp_path: Path) -> None:
    key, user_data = tmp_path / "key", tmp_path / "user-data"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=30)
    user_data.write_text(f"#!/bin/sh\necho {WORDS} $(uname -m) >/dev/console\n")
    with running(tmp_path / "cloud", "--hypervisor", "qemu", "--image", str(guest_image), network="linux") as cloud:
        osc = Session(openrc(cloud.data))
        try:
            osc("keypair", "create", "--public-key", f"{key}.pub", "mine")
            ordered = ("--image", "guest", "--flavor", "m1.nano", "--network", "default", "--key-name", "mine")
            made = osc.show("server", "create", *ordered, "--user-data", str(user_data), "--wait", "real")
            assert made["status"] == "ACTIVE" and made["OS-EXT-STS:power_state"] == 1
            (address,) = made["addresses"]["default"]

            said = f"{WORDS} x86_64"
            wait_for(lambda: said in osc("console", "log", "show", "real"), 120, "the words of its user data", every_s=1)
            wait_for(lambda: "ready" in osc("console", "log", "show", "real"), 60, "the guest", every_s=1)

            inside = cloud.verb("ssh", "-i", str(key), "real", "hostname; ip -4 addr show").stdout
            assert inside.split()[0] == "real"
            assert address in re.findall(r"inet ([0-9.]+)/", inside)
            assert (
                made["id"]
                in cloud.verb("ssh", "-i", str(key), "real", "cat /proc/cmdline /sys/class/dmi/id/product_uuid").stdout.lower()
            )

            osc("server", "delete", "--wait", "real")
            assert osc.rows("server", "list") == [] and osc.rows("port", "list") == []
        finally:
            osc.end()
        assert "request failed" not in cloud.log("control")
