"""The stock command line: what the cloud has to offer: flavors, key pairs, quotas, hosts. And the real executable once."""

import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import HOSTS, openrc
from tests.clients.session import Session
from tests.clients.test_openstack_servers import PUBLIC_KEY
from tests.cloud.running import Cloud

pytestmark = [pytest.mark.cloud, pytest.mark.wire, pytest.mark.usefixtures("nothing_left")]
TWICE = pytest.mark.parametrize("turn", ["first", "second"])
EXECUTABLE = Path(__file__).parents[2] / ".venv" / "bin" / "openstack"


def limits(osc: Session, *argv: str) -> dict[str, int]:
    return {row["Resource"]: row["Limit"] for row in osc.rows("quota", "show", *argv)}


@TWICE
def test_flavors(osc: Session, turn: str) -> None:
    first = ("flavor", "create", "--ram", "64", "--vcpus", "1", "--disk", "1", "--id", "f-1")
    made = osc.show(*first, "--property", "hw:a=b", "--description", "d", "tiny")
    assert (made["id"], made["ram"], made["properties"], made["description"]) == ("f-1", 64, {"hw:a": "b"}, "d")
    osc("flavor", "set", "--property", "k=v", "--description", "e", "tiny")
    osc("flavor", "unset", "--property", "hw:a", "tiny")
    shown = osc.show("flavor", "show", "tiny")
    assert (shown["properties"], shown["description"], shown["vcpus"], shown["disk"]) == ({"k": "v"}, "e", 1, 1)
    osc("flavor", "create", "--ram", "64", "--vcpus", "1", "--disk", "1", "--private", "hidden")
    assert "hidden" not in osc.names("flavor", "list") and {"hidden", "tiny"} <= set(osc.names("flavor", "list", "--all"))
    osc("flavor", "set", "--project", "admin", "hidden")
    assert len(osc.show("flavor", "show", "hidden")["access_project_ids"]) == 1
    osc("flavor", "unset", "--project", "admin", "hidden")
    assert "409" in osc.refused(*first, "other") and "400" in osc.refused("flavor", "create", "--ram", "0", "none")
    osc("flavor", "delete", "tiny", "hidden")
    assert "tiny" in osc.refused("flavor", "show", "tiny")


@TWICE
def test_key_pairs(osc: Session, tmp_path: Path, turn: str) -> None:
    private = tmp_path / "made"
    private.write_text(osc("keypair", "create", "made").rstrip("\n") + "\n")
    private.chmod(0o600)
    derived = subprocess.run(["ssh-keygen", "-y", "-f", str(private)], capture_output=True, text=True, timeout=30, check=True)
    assert osc("keypair", "show", "--public-key", "made").split()[:2] == derived.stdout.split()[:2]
    given = tmp_path / "given.pub"
    given.write_text(PUBLIC_KEY + "\n")
    osc("keypair", "create", "--public-key", str(given), "given")
    assert osc("keypair", "show", "--public-key", "given").strip() == PUBLIC_KEY
    asked = subprocess.run(
        ["ssh-keygen", "-l", "-E", "md5", "-f", str(given)], capture_output=True, text=True, timeout=30, check=True
    )
    prints = {row["Name"]: row["Fingerprint"] for row in osc.rows("keypair", "list")}
    assert sorted(prints) == ["given", "made"] and f"MD5:{prints['given']}" in asked.stdout
    assert "409" in osc.refused("keypair", "create", "--public-key", str(given), "given")
    given.write_text("ssh-rsa nonsense")
    assert "400" in osc.refused("keypair", "create", "--public-key", str(given), "bad")
    osc("keypair", "delete", "made", "given")
    assert osc.names("keypair", "list") == []


@TWICE
def test_quotas_and_limits(osc: Session, turn: str) -> None:
    before = limits(osc)
    assert (before["instances"], before["cores"], before["networks"], before["ports"]) == (10, 20, 100, 500)
    osc("quota", "set", "--ports", "-1", "admin")
    osc("quota", "set", "--instances", "11", "--cores", "40", "--secgroups", "20", "admin")
    changed = limits(osc)
    assert (changed["instances"], changed["cores"], changed["ports"], changed["security_groups"]) == (11, 40, -1, 20)
    (of_network,) = osc.rows("quota", "list", "--network")
    (of_compute,) = osc.rows("quota", "list", "--compute")
    assert (of_network["Ports"], of_compute["Cores"]) == (-1, 40)
    absolute = {row["Name"]: row["Value"] for row in osc.rows("limits", "show", "--absolute")}
    assert (absolute["max_total_cores"], absolute["total_cores_used"]) == (40, 0)
    assert "must be greater than or equal to already used" in osc.refused("quota", "set", "--networks", "0", "admin")
    osc("quota", "set", "--networks", "0", "--force", "admin")
    usage = {row["Resource"]: row["In Use"] for row in osc.rows("quota", "show", "--usage")}
    assert (usage["networks"], usage["instances"]) == (1, 0)
    osc("quota", "delete", "admin")
    assert limits(osc) == before and osc.rows("quota", "list", "--network") == []


def test_hosts_services_and_zones(osc: Session) -> None:
    hosts = osc.rows("hypervisor", "list")
    assert sorted(row["Hypervisor Hostname"] for row in hosts) == [f"sim-{n:04}" for n in range(1, HOSTS + 1)]
    assert {row["State"] for row in hosts} == {"up"}
    shown = osc.show("hypervisor", "show", "sim-0002")
    assert (shown["hypervisor_type"], shown["status"], shown["aggregates"]) == ("simulated", "enabled", [])
    stats = osc.show("hypervisor", "stats", "show")
    assert (stats["count"], stats["vcpus"], stats["vcpus_used"]) == (HOSTS, 64 * HOSTS, 0)
    osc("compute", "service", "set", "--disable", "--disable-reason", "tired", "sim-0001", "nova-compute")
    services = osc.rows("compute", "service", "list", "--service", "nova-compute", "--long")
    assert {row["Host"]: (row["Status"], row["Disabled Reason"]) for row in services} == {
        "sim-0001": ("disabled", "tired"),
        "sim-0002": ("enabled", None),
        "sim-0003": ("enabled", None),
    }
    refused = osc.refused(
        "server", "create", "--image", "small", "--flavor", "m1.nano", "--nic", "none", "--min", "11", "--max", "11", "x"
    )
    assert "Quota exceeded" in refused
    osc("compute", "service", "set", "--enable", "sim-0001", "nova-compute")
    zones = osc.rows("availability", "zone", "list", "--compute", "--long")
    assert {row["Host Name"] for row in zones if row["Zone Name"] == "nova"} == {f"sim-{n:04}" for n in range(1, HOSTS + 1)}
    assert osc.rows("aggregate", "list") == []


def test_the_real_executable(cloud: Cloud) -> None:
    """As people start it: commands on its stdin (where it ends with 1 always), and one on its command line, with clouds.yaml."""
    commands = "server list -f csv\nflavor show m1.nano -f value -c ram\nnetwork list -f value -c Name\n"
    environment = openrc(cloud.data)
    batch = subprocess.run(
        [str(EXECUTABLE)], input=commands, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert '"ID","Name"' in batch.stdout and "128" in batch.stdout.split() and "default" in batch.stdout.split()
    named = {name: value for name, value in environment.items() if not name.startswith("OS_")}
    named["OS_CLIENT_CONFIG_FILE"] = str(cloud.data / "clouds.yaml")
    argv = [str(EXECUTABLE), "--os-cloud", "kilonova", "project", "show", "admin", "-f", "value", "-c", "name"]
    single = subprocess.run(argv, env=named, capture_output=True, text=True, timeout=60, check=True)
    assert single.stdout.strip() == "admin"
