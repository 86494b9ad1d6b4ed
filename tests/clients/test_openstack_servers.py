"""The stock command line: servers from request to deletion, with everything they can be given."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.session import Session
from tests.cloud.running import Cloud, wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.wire, pytest.mark.usefixtures("nothing_left")]
TWICE = pytest.mark.parametrize("turn", ["first", "second"])
SMALL = ("--image", "small", "--flavor", "m1.nano")
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFchtFyzbF0TzwJJfZqpzAuJbYXVbQmwi2T4rJFiQ8cA somebody"


@pytest.fixture
def red(osc: Session) -> Iterator[str]:
    """A network with a subnet; its name."""
    osc("network", "create", "red")
    osc("subnet", "create", "--network", "red", "--subnet-range", "10.88.0.0/24", "reds")
    yield "red"
    osc("network", "delete", "red")


def active(osc: Session, *names: str) -> None:
    """Waits as a person would: `--wait` itself looks every few seconds only."""

    def all_active() -> bool:
        found = {row["Name"]: row["Status"] for row in osc.rows("server", "list")}
        return all(found.get(name) == "ACTIVE" for name in names)

    wait_for(all_active, 30, f"{names} active")


@TWICE
def test_a_server_with_everything(osc: Session, cloud: Cloud, red: str, tmp_path: Path, turn: str) -> None:
    key, user_data = tmp_path / "key.pub", tmp_path / "user-data"
    key.write_text(PUBLIC_KEY + "\n")
    user_data.write_text("#!/bin/sh\necho hello\n")
    osc("keypair", "create", "--public-key", str(key), "mine")
    osc("port", "create", "--network", red, "--fixed-ip", "subnet=reds,ip-address=10.88.0.50", "p")
    made = osc.show(
        *("server", "create", *SMALL, "--port", "p", "--network", "default", "--key-name", "mine", "--wait"),
        *("--user-data", str(user_data), "--config-drive", "True", "--property", "colour=blue", "--description", "d", "box"),
    )
    assert (made["status"], made["OS-EXT-STS:vm_state"], made["OS-EXT-STS:power_state"]) == ("ACTIVE", "active", 1)
    shown = osc.show("server", "show", "box")
    assert (shown["id"], shown["name"], shown["description"], shown["key_name"]) == (made["id"], "box", "d", "mine")
    assert shown["addresses"]["red"] == ["10.88.0.50"] and len(shown["addresses"]["default"]) == 1
    assert (shown["properties"], shown["config_drive"], shown["flavor"]["ram"]) == ({"colour": "blue"}, "True", 128)
    assert base64.b64decode(shown["OS-EXT-SRV-ATTR:user_data"]) == user_data.read_bytes()
    assert shown["OS-EXT-SRV-ATTR:host"].startswith("sim-000") and shown["security_groups"] == [{"name": "default"}]
    assert len(osc.rows("port", "list", "--server", "box")) == 2
    assert "simulated" in osc("console", "log", "show", "box")

    osc("server", "set", "--name", "case", "--property", "shape=round", "--description", "e", "box")
    osc("server", "unset", "--property", "colour", "case")
    shown = osc.show("server", "show", "case")
    assert (shown["properties"], shown["description"]) == ({"shape": "round"}, "e")
    (event,) = osc.rows("server", "event", "list", "case")
    assert event["Action"] == "create"
    told = osc.show("server", "event", "show", "case", event["Request ID"])
    assert told["action"] == "create" and told["events"]

    osc("server", "delete", "--wait", "case")
    assert "case" in osc.refused("server", "show", "case")
    osc("port", "delete", "p")
    osc("keypair", "delete", "mine")


@TWICE
def test_many_at_once_and_lists(osc: Session, red: str, turn: str) -> None:
    osc("server", "create", *SMALL, "--nic", "none", "--min", "2", "--max", "3", "many")
    osc("server", "create", *SMALL, "--network", red, "--wait", "one")
    active(osc, "many-1", "many-2", "many-3", "one")
    assert sorted(osc.names("server", "list", "--all-projects", "--status", "ACTIVE", "--name", "many")) == [
        "many-1",
        "many-2",
        "many-3",
    ]
    (one,) = osc.rows("server", "list", "--long", "--name", "^one$")
    assert (one["Power State"], one["Image Name"], one["Flavor"], one["Availability Zone"]) == (1, "small", "m1.nano", "nova")
    assert list(one["Networks"]) == ["red"] and one["Host"].startswith("sim-000")
    assert osc.names("server", "list", "--ip", "10.88.0") == ["one"]
    assert osc.names("server", "list", "--host", one["Host"], "--name", "one") == ["one"]
    assert osc.names("server", "list", "--status", "ERROR") == []
    assert osc.names("server", "list", "--limit", "1") == ["one"]  # the newest
    assert len(osc.names("server", "list", "--image", "small", "--flavor", "m1.nano")) == 4
    absolute = {row["Name"]: row["Value"] for row in osc.rows("limits", "show", "--absolute")}
    assert (absolute["instances_used"], absolute["total_ram_used"]) == (4, 4 * 128)
    osc("server", "delete", "--wait", "many-1", "many-2", "many-3", "one")
    assert osc.names("server", "list", "--all-projects") == []


def test_an_automatic_network_and_a_chosen_host(osc: Session) -> None:
    osc("server", "create", *SMALL, "--nic", "auto", "auto")
    osc("server", "create", *SMALL, "--nic", "none", "--host", "sim-0002", "there")
    osc("server", "create", *SMALL, "--nic", "none", "--availability-zone", "nova:sim-0003", "elsewhere")
    active(osc, "auto", "there", "elsewhere")
    hosts = {row["Name"]: (row["Host"], row["Networks"]) for row in osc.rows("server", "list", "--long")}
    assert (hosts["there"], hosts["elsewhere"]) == (("sim-0002", {}), ("sim-0003", {})) and list(hosts["auto"][1]) == ["default"]
    osc("server", "delete", "--wait", "auto", "there", "elsewhere")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--image", "nope", "--flavor", "m1.nano", "--nic", "none"), "No Image found for nope"),
        (("--image", "small", "--flavor", "nope", "--nic", "none"), "No Flavor found for nope"),
        ((*SMALL, "--network", "nope"), "No Network found for nope"),
        ((*SMALL, "--nic", "none", "--key-name", "nope"), "Invalid key_name"),
        ((*SMALL, "--nic", "none", "--availability-zone", "nope"), "availability zone is not available"),
        ((*SMALL, "--nic", "none", "--min", "3", "--max", "2"), "min instances should be <= max instances"),
        ((*SMALL, "--nic", "none", "--min", "11", "--max", "11"), "Quota exceeded"),
        ((*SMALL, "--nic", "none", "--hint", "group=x"), "not a 'uuid'"),
        (("--volume", "nope", "--flavor", "m1.nano", "--nic", "none"), "No Volume found for nope"),
        (("--image", "small", "--flavor", "m1.xlarge", "--nic", "none", "--min", "4", "--max", "4"), "Quota exceeded"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(osc: Session, words: tuple[str, ...], reason: str) -> None:
    assert reason in osc.refused("server", "create", *words, "never")


def test_what_is_not_built_says_so(osc: Session) -> None:
    osc("server", "create", *SMALL, "--nic", "none", "s")
    active(osc, "s")
    said = osc.run("server", "suspend", "s")
    assert said.code != 0 and "501" in said.err and "not available in this cloud" in said.err
    osc("server", "lock", "--reason", "mine", "s")
    shown = osc.show("server", "show", "s")
    assert (shown["locked"], shown["locked_reason"]) == (True, "mine")
    osc("server", "unlock", "s")
    osc("server", "delete", "--wait", "s")
