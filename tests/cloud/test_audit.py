"""The audit and its repair on real processes: several things planted at once, and the verb as an operator runs it."""

import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.cloud.processes import guests_of
from tests.cloud.running import Cloud, Machine, running

QEMU = shutil.which("qemu-system-x86_64")
real = pytest.mark.skipif(
    os.geteuid() != 0 or QEMU is None or shutil.which("dnsmasq") is None,
    reason="needs root, QEMU, dnsmasq",
)
pytestmark = pytest.mark.cloud


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running(tmp_path_factory.mktemp("audit")) as cloud:
        yield cloud


def _execute(cloud: Cloud, query: str, *values: Any) -> None:
    base = sqlite3.connect(cloud.data / "ledger.sqlite", timeout=20)
    try:
        with base:
            base.execute(query, values)
    finally:
        base.close()


def _kinds(cloud: Cloud) -> list[tuple[str, str]]:
    return [(one["kind"], one["about"]) for one in cloud.api.audit()["findings"]]


def _memory(cloud: Cloud, pattern: str) -> Path:
    return next(iter(cloud.data.glob(f"nodes/*/{pattern}")))


def test_several_at_once_are_mended_by_the_verb(cloud: Cloud) -> None:
    kept = cloud.api.build("kept")
    assert cloud.api.settled(kept, 30)["status"] == "ACTIVE"
    assert cloud.verb("audit").stdout.startswith("0 findings: 1 servers")
    stray, lost = str(uuid4()), str(uuid4())
    host, *_ = cloud.rows("SELECT name, id FROM hosts ORDER BY name")[0]
    _execute(cloud, "INSERT INTO claims VALUES (?, ?, 1, 512, 1)", stray, host)
    _execute(cloud, "UPDATE hosts SET vcpus_used = vcpus_used + 7")
    _execute(cloud, "INSERT INTO volume_metadata VALUES (?, 'n', 'v')", lost)
    _execute(cloud, "UPDATE actions SET updated_at = NULL WHERE server_id = ?", kept)
    _execute(cloud, "UPDATE servers SET vcpus = 5 WHERE id = ?", kept)
    image = cloud.data / "images" / "data" / lost[:2] / lost
    image.parent.mkdir(parents=True, exist_ok=True)
    image.write_bytes(b"nobody's")
    found = {kind for kind, _ in _kinds(cloud)}
    assert found == {
        "claim without server",
        "host counters",
        "metadata of nobody",
        "action without end",
        "quota",
        "bytes without image",
    }
    mended = cloud.verb("audit", "--repair")
    assert mended.stdout.count("mended: ") >= len(found)
    assert mended.stdout.splitlines()[-1].startswith("0 findings: 1 servers")
    assert not image.exists()
    assert cloud.verb("audit").stdout.startswith("0 findings")
    assert cloud.verb("audit", "--repair").stdout.startswith("0 findings")
    assert cloud.api.server(kept)["status"] == "ACTIVE"
    cloud.api.delete(kept)
    cloud.assert_nothing_held()


def test_what_is_left_is_said_and_the_exit_code_is_one(cloud: Cloud) -> None:
    """A volume of which nothing is there: nobody can mend that."""
    volume, now = str(uuid4()), time.time()
    kind = cloud.rows("SELECT id FROM volume_types")
    if not kind:
        _execute(cloud, "INSERT INTO volume_types (id, name, is_public, created_at) VALUES ('t', '__DEFAULT__', 1, ?)", now)
    type_id = cloud.rows("SELECT id FROM volume_types")[0][0]
    node = cloud.rows("SELECT name FROM nodes WHERE role = 'volume'")[0][0]
    columns = "id, project_id, user_id, status, size_gb, created_at, volume_type_id, availability_zone, node, bootable"
    _execute(
        cloud, f"INSERT INTO volumes ({columns}) VALUES (?,'p','u','available',1,?,?,'nova',?,0)", volume, now, type_id, node
    )
    try:
        result = cloud.verb("audit", "--repair", check=False)
        assert result.returncode == 1
        assert f"left: volume without files: {volume}" in result.stdout
        assert "still there: " in result.stdout
        assert cloud.verb("audit", "--unknown", check=False).returncode == 2
    finally:
        _execute(cloud, "DELETE FROM volumes WHERE id = ?", volume)
    assert _kinds(cloud) == []


def test_an_audit_of_many_servers_takes_no_time(cloud: Cloud) -> None:
    """Of the order of a tenth of a second on a quiet machine; here only that it is no matter of seconds."""
    ids = [cloud.api.build(f"many-{number}", flavorRef="1") for number in range(10)]
    for server_id in ids:
        assert cloud.api.settled(server_id, 60)["status"] == "ACTIVE"
    began = time.monotonic()
    for _ in range(5):
        assert _kinds(cloud) == []
    assert time.monotonic() - began < 10
    for server_id in ids:
        cloud.api.delete(server_id)
    cloud.assert_nothing_held()


@real
@pytest.mark.root
@pytest.mark.qemu
@pytest.mark.wire
def test_real_leftovers_go_and_a_guest_nobody_knows_stays(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(tmp_path_factory.mktemp("real"), "--hypervisor", "qemu", network="linux", shutdown_limit_s=1) as cloud:
        kept, lost = (cloud.api.build(name, flavorRef="42") for name in ("kept", "lost"))
        for server_id in (kept, lost):
            assert cloud.api.settled(server_id, 90)["status"] == "ACTIVE"
        both = guests_of(cloud.data)
        assert len(both) == 2
        _forget(cloud, lost)
        mark = Machine(cloud.data)._mark
        subprocess.run(["ip", "netns", "add", f"{mark}dead"], check=True, timeout=20)
        assert {kind for kind, _ in _kinds(cloud)} == {"unknown guest", "unknown disks", "unknown wire", "remains of a network"}
        careful = cloud.verb("audit", "--repair", check=False)
        assert careful.returncode == 1
        assert careful.stdout.count("left: unknown") == 3
        assert not Path(f"/run/netns/{mark}dead").exists()
        assert all(Path(f"/proc/{pid}").exists() for pid in both), "a ledger from a backup must not cost a guest"
        said = cloud.verb("audit", "--repair", "--unknown")
        assert said.stdout.splitlines()[-1].startswith("0 findings: 1 servers")
        assert len([pid for pid in both if Path(f"/proc/{pid}").exists()]) == 1
        assert not list(cloud.data.glob(f"nodes/*/servers/{lost}"))
        cloud.api.delete(kept)
        cloud.assert_nothing_held()


def _forget(cloud: Cloud, server_id: str) -> None:
    """As a ledger from before it was made."""
    host = cloud.rows(f"SELECT host FROM servers WHERE id = '{server_id}'")[0][0]
    v, r, d = cloud.rows(f"SELECT vcpus, ram_mb, disk_gb FROM claims WHERE server_id = '{server_id}'")[0]
    base = sqlite3.connect(cloud.data / "ledger.sqlite", timeout=20)
    with base:
        base.execute("PRAGMA foreign_keys = ON")
        base.execute("DELETE FROM claims WHERE server_id = ?", (server_id,))
        used = (
            "vcpus_used = vcpus_used - ?, ram_mb_used = ram_mb_used - ?, disk_gb_used = disk_gb_used - ?, servers = servers - 1"
        )
        base.execute(f"UPDATE hosts SET {used}, servers = servers - 1 WHERE name = ?", (v, r, d, host))
        query = "SELECT a.subnet_id, a.ip_address FROM port_addresses a JOIN ports p ON p.id = a.port_id WHERE p.device_id = ?"
        for subnet_id, ip in base.execute(query, (server_id,)).fetchall():
            base.execute("INSERT INTO freed_addresses (subnet_id, ip_address) VALUES (?, ?)", (subnet_id, ip))
        base.execute("DELETE FROM ports WHERE device_id = ?", (server_id,))
        base.execute("DELETE FROM actions WHERE server_id = ?", (server_id,))
        base.execute("DELETE FROM servers WHERE id = ?", (server_id,))
    base.close()
