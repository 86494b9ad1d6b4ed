"""One person with the stock command line, and no rights but a member's: a project from its first network to its last volume.

All five services in one story, twice; afterwards every list of the cloud is what it was.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import openrc
from tests.clients.session import Session
from tests.clients.test_openstack_servers import PUBLIC_KEY
from tests.cloud.running import Cloud, wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.wire, pytest.mark.usefixtures("nothing_left")]
TWICE = pytest.mark.parametrize("turn", ["first", "second"])
WITHIN_S = 30.0


@pytest.fixture(scope="module")
def ann(cloud: Cloud) -> Iterator[Session]:
    """Ann at her shell, who exists only while a test lets her."""
    who = {"OS_USERNAME": "ann", "OS_PASSWORD": "let-me-in", "OS_PROJECT_NAME": "garden"}
    session = Session(openrc(cloud.data, **who))
    yield session
    session.end()


@pytest.fixture
def garden(osc: Session, ann: Session) -> Iterator[Session]:
    """Ann, a member of a new project, in a cloud with an outside. The project's default group goes with it."""
    osc("project", "create", "garden")
    osc("user", "create", "--password", "let-me-in", "ann")
    osc("role", "add", "--user", "ann", "--project", "garden", "member")
    osc("network", "create", "--external", "outside")
    osc("subnet", "create", "--network", "outside", "--subnet-range", "203.0.113.0/24", "--no-dhcp", "outside-v4")
    yield ann
    osc("network", "delete", "outside")
    for group in osc.rows("security", "group", "list", "--project", "garden"):
        osc("security", "group", "delete", group["ID"])
    osc("user", "delete", "ann")
    osc("project", "delete", "garden")


def becomes(osc: Session, noun: str, name: str, status: str) -> dict[str, Any]:
    """The server or volume, once it is in that state and nothing is under way."""
    shown: dict[str, Any] = {}

    def is_so() -> bool:
        shown.update(osc.show(noun, "show", name))
        return shown["status"] == status and shown.get("OS-EXT-STS:task_state") is None

    wait_for(is_so, WITHIN_S, f"{noun} {name} {status}")
    return shown


@TWICE
def test_a_project_from_its_first_network_to_its_last_volume(garden: Session, tmp_path: Path, turn: str) -> None:
    address = plant(garden, tmp_path)
    later_life(garden)
    disks(garden)
    clear(garden, address)


def plant(ann: Session, tmp_path: Path) -> str:
    """Image, network, router, rules, key, and a server with all of it; the floating IP it can be reached by."""
    assert ann.show("project", "show", ann.show("token", "issue")["project_id"])["name"] == "garden"
    data, key = tmp_path / "seed.img", tmp_path / "key.pub"
    data.write_bytes(b"seed" * 1024)
    key.write_text(PUBLIC_KEY + "\n")
    image = ("image", "create", "--file", str(data), "--disk-format", "raw", "--container-format", "bare", "seed")
    assert ann.show(*image)["status"] == "active"
    ann("network", "create", "beds")
    ann("subnet", "create", "--network", "beds", "--subnet-range", "10.91.0.0/24", "beds-v4")
    ann("router", "create", "gate")
    ann("router", "set", "--external-gateway", "outside", "gate")
    ann("router", "add", "subnet", "gate", "beds-v4")
    ann("security", "group", "create", "visitors")
    ann("security", "group", "rule", "create", "--protocol", "tcp", "--dst-port", "22", "visitors")
    ann("keypair", "create", "--public-key", str(key), "mine")
    group = ann.show("server", "group", "create", "--policy", "soft-anti-affinity", "apart")["id"]
    asked = ("--image", "seed", "--flavor", "m1.nano", "--network", "beds", "--key-name", "mine", "--security-group", "visitors")
    made = ann.show("server", "create", *asked, "--hint", f"group={group}", "--property", "colour=green", "rose")
    shown = becomes(ann, "server", "rose", "ACTIVE")
    assert (shown["key_name"], shown["security_groups"]) == ("mine", [{"name": "visitors"}])
    assert ann.show("server", "group", "show", "apart")["members"] == [made["id"]]
    address = str(ann.show("floating", "ip", "create", "outside")["floating_ip_address"])
    ann("server", "add", "floating", "ip", "rose", address)
    (inside,) = set(ann.show("server", "show", "rose")["addresses"]["beds"]) - {address}
    assert ann.show("floating", "ip", "show", address)["fixed_ip_address"] == inside
    return address


def later_life(ann: Session) -> None:
    """What can be asked of a server that runs."""
    ann("server", "stop", "rose")
    assert becomes(ann, "server", "rose", "SHUTOFF")["OS-EXT-STS:power_state"] == 4
    assert "409" in ann.refused("server", "pause", "rose")
    ann("server", "start", "rose")
    becomes(ann, "server", "rose", "ACTIVE")
    for kind in ("--soft", "--hard"):
        ann("server", "reboot", kind, "rose")
        becomes(ann, "server", "rose", "ACTIVE")
    ann("server", "lock", "rose")
    ann("server", "unlock", "rose")
    ann("server", "set", "--tag", "thorny", "rose")
    assert ann.names("server", "list", "--tags", "thorny") == ["rose"]
    ann("server", "unset", "--tag", "thorny", "--property", "colour", "rose")
    ann("server", "add", "security", "group", "rose", "default")
    ann("server", "remove", "security", "group", "rose", "visitors")
    assert ann.show("server", "show", "rose")["security_groups"] == [{"name": "default"}]
    port = ann.show("port", "create", "--network", "beds", "second")
    ann("server", "add", "port", "rose", "second")
    wait_for(lambda: ann.show("port", "show", "second")["device_id"] != "", WITHIN_S, "the port is the server's")
    ann("server", "remove", "port", "rose", "second")
    wait_for(lambda: port["id"] not in str(ann.rows("port", "list", "--server", "rose")), WITHIN_S, "the port is free")
    ann("server", "image", "create", "--name", "cutting", "rose")
    wait_for(lambda: ann.show("image", "show", "cutting")["status"] == "active", WITHIN_S, "the image")
    becomes(ann, "server", "rose", "ACTIVE")
    ann("server", "rebuild", "--image", "cutting", "rose")
    assert "cutting" in becomes(ann, "server", "rose", "ACTIVE")["image"]
    for answer, flavor in (("revert", "m1.nano"), ("confirm", "m1.tiny")):
        ann("server", "resize", "--flavor", "m1.tiny", "rose")
        becomes(ann, "server", "rose", "VERIFY_RESIZE")
        ann("server", "resize", answer, "rose")
        assert becomes(ann, "server", "rose", "ACTIVE")["flavor"]["name"] == flavor
    done = {row["Action"] for row in ann.rows("server", "event", "list", "rose")}
    assert {"create", "stop", "start", "reboot", "rebuild", "createImage", "resize", "revertResize", "confirmResize"} <= done


def disks(ann: Session) -> None:
    """A volume plugged in and out, its snapshot, a copy of it, and a server that starts from a volume."""
    ann("volume", "create", "--size", "1", "shed")
    becomes(ann, "volume", "shed", "available")
    ann("server", "add", "volume", "rose", "shed")
    assert becomes(ann, "volume", "shed", "in-use")["attachments"][0]["device"] == "/dev/vdb"
    assert [row["Device"] for row in ann.rows("server", "volume", "list", "rose")] == ["/dev/vdb"]
    assert "must not be migrating, attached" in ann.refused("volume", "delete", "shed")
    ann("server", "remove", "volume", "rose", "shed")
    becomes(ann, "volume", "shed", "available")
    ann("volume", "snapshot", "create", "--volume", "shed", "before")
    wait_for(lambda: ann.show("volume", "snapshot", "show", "before")["status"] == "available", WITHIN_S, "the snapshot")
    ann("volume", "create", "--snapshot", "before", "--size", "2", "bigger")
    assert becomes(ann, "volume", "bigger", "available")["size"] == 2
    ann("volume", "create", "--image", "seed", "--size", "1", "root")
    becomes(ann, "volume", "root", "available")
    ann("server", "create", "--volume", "root", "--flavor", "m1.nano", "--network", "beds", "tulip")
    assert "N/A" in becomes(ann, "server", "tulip", "ACTIVE")["image"]
    used = {row["Name"]: row["Value"] for row in ann.rows("limits", "show", "--absolute")}
    assert (used["instances_used"], used["total_volumes_used"], used["total_gigabytes_used"]) == (2, 3, 5)


def clear(ann: Session, address: str) -> None:
    """Everything away, in an order that nothing refuses."""
    ann("server", "remove", "floating", "ip", "rose", address)
    ann("server", "delete", "rose", "tulip")
    wait_for(lambda: ann.rows("server", "list") == [], WITHIN_S, "no server")
    becomes(ann, "volume", "root", "available")
    ann("volume", "snapshot", "delete", "before")
    wait_for(lambda: ann.rows("volume", "snapshot", "list") == [], WITHIN_S, "no snapshot")
    ann("volume", "delete", "shed", "bigger", "root")
    wait_for(lambda: ann.rows("volume", "list") == [], WITHIN_S, "no volume")
    ann("server", "group", "delete", "apart")
    ann("floating", "ip", "delete", address)
    ann("port", "delete", "second")
    ann("router", "remove", "subnet", "gate", "beds-v4")
    ann("router", "delete", "gate")
    ann("network", "delete", "beds")
    ann("security", "group", "delete", "visitors")
    ann("keypair", "delete", "mine")
    ann("image", "delete", "seed", "cutting")
