"""Real guests behind a router: they meet, and an outside of our own reaches one by its floating IP while a rule says so."""

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kilonova import guestimage
from kilonova.drivers.network import namespaces
from tests.cloud.running import Cloud, Machine, running, wait_for

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
FLOATING_NET = "172.24.4.0/24"
SSH = tuple(
    f"-o{option}"
    for option in (
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "LogLevel=ERROR",
        "ConnectTimeout=3",
        "ServerAliveInterval=2",  # a session that is cut in the middle says nothing by itself
        "ServerAliveCountMax=2",
    )
)


@pytest.fixture
def outside() -> Iterator[str]:
    """A namespace that leads nowhere: what the cloud's uplink is."""
    name = f"outside{secrets.token_hex(2)}"
    namespaces.create(name)
    namespaces.inside(name, lambda: subprocess.run(["ip", "link", "set", "lo", "up"], check=True))
    yield name
    namespaces.remove(name)


def test_two_guests_a_router_and_a_floating_ip(tmp_path: Path, outside: str) -> None:
    image, key = _guest_image(), _key(tmp_path)
    with running(tmp_path / "cloud", "--hypervisor", "qemu", "--image", str(image), network="linux", uplink=outside) as cloud:
        network, router = _topology(cloud)
        group = _new(cloud, "security-group", name="ssh")["id"]
        first, second = (_guest(cloud, name, network, key, image) for name in ("first", "second"))
        for server_id in (first, second):
            assert cloud.api.settled(server_id, 90)["status"] == "ACTIVE"
        port = _list(cloud, f"ports?device_id={first}")[0]
        floating = _new(cloud, "floatingip", floating_network_id=_list(cloud, "networks?name=outer")[0]["id"], port_id=port["id"])
        address = floating["floating_ip_address"]
        wait_for(
            lambda: _ssh_inside(cloud, key, "first", "true") and _ssh_inside(cloud, key, "second", "true"), 150, "boots", 1.0
        )
        peer = _list(cloud, f"ports?device_id={second}")[0]["fixed_ips"][0]["ip_address"]

        # The default group lets its members meet, and nobody else in.
        wait_for(lambda: _ssh_inside(cloud, key, "first", f"ping -c 1 -W 2 {peer}"), 20, "the guests to meet")
        assert not _ssh(outside, key, address, "true")
        default = port["security_groups"][0]
        _change(cloud, "port", port["id"], security_groups=[default, group])
        ssh = {"direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
        rule = _new(cloud, "security-group-rule", security_group_id=group, **ssh)
        wait_for(lambda: _ssh(outside, key, address, "true"), 20, "ssh by the floating IP")
        assert _ssh(outside, key, address, f"ping -c 1 -W 2 {peer}")
        assert _ssh(outside, key, address, "ip route | grep -q 'default via 10.5.0.1'")
        metadata = "timeout 5 wget -q -O - http://169.254.169.254/openstack/latest/meta_data.json | grep -q first"
        assert _ssh(outside, key, address, metadata)
        assert _new_status(cloud, "floatingips", floating["id"]) == "ACTIVE"
        assert _new_status(cloud, "routers", router) == "ACTIVE"

        # A network role that dies changes nothing, and the next one knows everything.
        cloud.kill("network")
        wait_for(lambda: _ssh(outside, key, address, "true"), 20, "ssh after the network role died")

        # A session that is open ends with the rule that had let it in.
        order = [*_way(outside, key, address), "while echo tick; do sleep 0.2; done"]
        with subprocess.Popen(order, stdout=subprocess.PIPE, bufsize=0) as session:
            assert session.stdout is not None
            try:
                assert session.stdout.readline() == b"tick\n"
                cloud.api.send("DELETE", f"/network/v2.0/security-group-rules/{rule['id']}")
                wait_for(lambda: not _ssh(outside, key, address, "true"), 20, "the door to close")
                os.set_blocking(session.stdout.fileno(), False)
                session.stdout.read()
                time.sleep(2)
                assert not session.stdout.read(), "nothing is heard of it any more"
            finally:
                session.kill()
        assert _ssh_inside(cloud, key, "first", f"ping -c 1 -W 2 {peer}"), "the other rules stay"

        for server_id in (first, second):
            cloud.api.delete(server_id)
        _take_down(cloud, router, floating["id"], network)
        cloud.assert_nothing_held()
        assert cloud.down() == 0
        Machine(cloud.data).assert_clean(within_s=5)
    left = namespaces.inside(outside, lambda: subprocess.check_output(["ip", "-o", "link"], text=True))
    assert "kn" not in left


def _topology(cloud: Cloud) -> tuple[str, str]:
    """An external network, one of our own, and a router between them; our network's id and the router's."""
    outer = _new(cloud, "network", name="outer", **{"router:external": True})["id"]
    _new(cloud, "subnet", network_id=outer, ip_version=4, cidr=FLOATING_NET, enable_dhcp=False)
    inner = _new(cloud, "network", name="inner")["id"]
    subnet = _new(cloud, "subnet", network_id=inner, ip_version=4, cidr="10.5.0.0/24")["id"]
    router = _new(cloud, "router", name="edge", external_gateway_info={"network_id": outer})["id"]
    cloud.api.send("PUT", f"/network/v2.0/routers/{router}/add_router_interface", {"subnet_id": subnet})
    return inner, str(router)


def _take_down(cloud: Cloud, router: str, floating: str, network: str) -> None:
    subnet = _list(cloud, f"subnets?network_id={network}")[0]["id"]
    cloud.api.send("DELETE", f"/network/v2.0/floatingips/{floating}")
    cloud.api.send("PUT", f"/network/v2.0/routers/{router}/remove_router_interface", {"subnet_id": subnet})
    cloud.api.send("DELETE", f"/network/v2.0/routers/{router}")
    cloud.api.send("DELETE", f"/network/v2.0/networks/{network}")


def _guest(cloud: Cloud, name: str, network: str, key: Path, image: Path) -> str:
    if not cloud.api.send("GET", "/compute/v2.1/os-keypairs")["keypairs"]:
        wish = {"keypair": {"name": "k", "public_key": key.with_suffix(".pub").read_text()}}
        cloud.api.send("POST", "/compute/v2.1/os-keypairs", wish)
    found = cloud.api.send("GET", f"/image/v2/images?name={image.stem}")["images"][0]["id"]
    return cloud.api.build(name, flavorRef="84", imageRef=found, key_name="k", networks=[{"uuid": network}])


def _new(cloud: Cloud, noun: str, **wish: Any) -> dict[str, Any]:
    made: dict[str, Any] = cloud.api.send("POST", f"/network/v2.0/{noun}s", {noun.replace("-", "_"): wish})[
        noun.replace("-", "_")
    ]
    return made


def _change(cloud: Cloud, noun: str, identifier: str, **wish: Any) -> None:
    cloud.api.send("PUT", f"/network/v2.0/{noun}s/{identifier}", {noun: wish})


def _list(cloud: Cloud, query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cloud.api.send("GET", f"/network/v2.0/{query}")[query.partition("?")[0]]
    return found


def _new_status(cloud: Cloud, nouns: str, identifier: str) -> str:
    return str(cloud.api.send("GET", f"/network/v2.0/{nouns}/{identifier}")[nouns[:-1]]["status"])


def _ssh_inside(cloud: Cloud, key: Path, name: str, command: str) -> bool:
    """From the network node itself, which every guest lets in."""
    return cloud.verb("ssh", "-i", str(key), name, command, check=False).returncode == 0


def _way(outside: str, key: Path, address: str) -> list[str]:
    identity = ("-i", str(key), "-o", "IdentitiesOnly=yes")
    return ["nsenter", f"--net=/run/netns/{outside}", "ssh", *SSH, *identity, f"root@{address}"]


def _ssh(outside: str, key: Path, address: str, command: str) -> bool:
    return subprocess.run([*_way(outside, key, address), command], check=False, timeout=60).returncode == 0


def _guest_image() -> Path:
    cache = Path(os.environ.get("KILONOVA_CACHE") or Path(__file__).parents[2] / ".cache") / "guestimage"
    return guestimage.build(cache / "kilonova-guest.qcow2", cache, print)


def _key(folder: Path) -> Path:
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=20)
    return key
