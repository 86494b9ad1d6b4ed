"""The stock command line: volumes, snapshots, types, transfers, quotas, and what admins see of volume nodes."""

from typing import Any

import pytest

from tests.clients.session import Session
from tests.cloud.running import wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.wire, pytest.mark.usefixtures("nothing_left")]
TWICE = pytest.mark.parametrize("turn", ["first", "second"])
WITHIN_S = 20.0
NEW = ("--os-volume-api-version", "3.59")


def ready(osc: Session, noun: tuple[str, ...], name: str) -> dict[str, Any]:
    """The thing, once its node has made it."""
    wait_for(lambda: osc.show(*noun, "show", name)["status"] == "available", WITHIN_S, f"{name} is available")
    return osc.show(*noun, "show", name)


def gone(osc: Session, noun: tuple[str, ...], name: str) -> None:
    osc(*noun, "delete", name)
    wait_for(lambda: name not in osc.names(*noun, "list"), WITHIN_S, f"{name} is gone")


@TWICE
def test_volumes_and_snapshots(osc: Session, turn: str) -> None:
    made = osc.show("volume", "create", "--size", "1", "--description", "d", "--property", "a=b", "--bootable", "first")
    assert (made["name"], made["size"], made["type"]) == ("first", 1, "__DEFAULT__")
    shown = ready(osc, ("volume",), "first")
    assert (shown["description"], shown["properties"], shown["bootable"]) == ("d", {"a": "b"}, True)
    osc("volume", "set", "--name", "one", "--property", "c=d", "--size", "2", "first")
    osc("volume", "unset", "--property", "a", "one")
    shown = ready(osc, ("volume",), "one")
    assert (shown["size"], shown["properties"]) == (2, {"c": "d"})
    assert osc.names("volume", "list", "--status", "available", "--long") == ["one"]

    osc("volume", "snapshot", "create", "--volume", "one", "--property", "x=y", "snap")
    snapshot = ready(osc, ("volume", "snapshot"), "snap")
    assert (snapshot["size"], snapshot["volume_id"], snapshot["properties"]) == (2, made["id"], {"x": "y"})
    osc("volume", "create", "--snapshot", "snap", "copy")
    osc("volume", "create", "--source", "one", "--size", "3", "bigger")
    assert ready(osc, ("volume",), "copy")["snapshot_id"] == snapshot["id"]
    assert ready(osc, ("volume",), "bigger")["source_volid"] == made["id"]
    osc("volume", "set", "--read-only", "copy")
    assert osc.show("volume", "show", "copy")["properties"]["readonly"] == "True"
    osc("volume", "set", "--state", "error", "copy")
    assert osc.show("volume", "show", "copy")["status"] == "error"

    assert "snapshot" in osc.refused("volume", "delete", "one")
    for name in ("copy", "bigger"):
        gone(osc, ("volume",), name)
    gone(osc, ("volume", "snapshot"), "snap")
    gone(osc, ("volume",), "one")
    assert "one" in osc.refused("volume", "show", "one")


@TWICE
def test_types_and_qos(osc: Session, turn: str) -> None:
    osc("volume", "type", "create", "--description", "d", "--property", "storage_protocol=nbd", "fast")
    osc("volume", "type", "set", "--name", "faster", "--property", "vendor_name=Open Source", "fast")
    shown = osc.show("volume", "type", "show", "faster")
    assert shown["properties"] == {"storage_protocol": "nbd", "vendor_name": "Open Source"}
    osc("volume", "type", "unset", "--property", "vendor_name", "faster")
    assert set(osc.names("volume", "type", "list")) == {"__DEFAULT__", "faster"}
    osc("volume", "type", "create", "--private", "secret")
    osc("volume", "type", "set", "--project", "admin", "secret")
    osc("volume", "type", "unset", "--project", "admin", "secret")
    osc("volume", "qos", "create", "--consumer", "front-end", "--property", "iops=5", "slow")
    osc("volume", "qos", "associate", "slow", "faster")
    assert osc.show("volume", "qos", "show", "slow")["associations"] == ["faster"]
    osc("volume", "qos", "disassociate", "--all", "slow")
    osc("volume", "create", "--size", "1", "--type", "faster", "v")
    assert ready(osc, ("volume",), "v")["type"] == "faster"
    osc("volume", "set", "--type", "__DEFAULT__", "v")
    assert osc.show("volume", "show", "v")["type"] == "__DEFAULT__"
    gone(osc, ("volume",), "v")
    osc("volume", "qos", "delete", "slow")
    osc("volume", "type", "delete", "faster", "secret")
    assert "faster" in osc.refused("volume", "type", "show", "faster")


@TWICE
def test_transfers(osc: Session, turn: str) -> None:
    osc("volume", "create", "--size", "1", "v")
    ready(osc, ("volume",), "v")
    transfer = osc.show("volume", "transfer", "request", "create", "--name", "t", "v")
    assert osc.show("volume", "show", "v")["status"] == "awaiting-transfer"
    assert osc.names("volume", "transfer", "request", "list") == ["t"]
    osc("volume", "transfer", "request", "delete", transfer["id"])  # the command does not look for names
    transfer = osc.show("volume", "transfer", "request", "create", "--name", "t", "v")
    assert "auth key" in osc.refused("volume", "transfer", "request", "accept", "--auth-key", "wrong", transfer["id"])
    osc("volume", "transfer", "request", "accept", "--auth-key", transfer["auth_key"], transfer["id"])
    gone(osc, ("volume",), "v")


@TWICE
def test_what_admins_see(osc: Session, turn: str) -> None:
    services = {row["Binary"]: row for row in osc.rows("volume", "service", "list")}
    assert set(services) == {"cinder-scheduler", "cinder-volume"}
    node = services["cinder-volume"]["Host"]
    osc("volume", "service", "set", "--disable", "--disable-reason", "dust", node, "cinder-volume")
    osc("volume", "create", "--size", "1", "v")
    wait_for(lambda: osc.show("volume", "show", "v")["status"] == "error", WITHIN_S, "no node may take it")
    messages = osc.rows("volume", "message", "list", *NEW)
    assert any("weighted backend" in row["User Message"] for row in messages)
    osc("volume", "message", "delete", *(row["ID"] for row in messages), *NEW)
    osc("volume", "service", "set", "--enable", node, "cinder-volume")
    gone(osc, ("volume",), "v")
    (pool,) = osc.rows("volume", "backend", "pool", "list")
    assert pool["Name"] == f"{node}#kilonova"
    assert osc.rows("availability", "zone", "list", "--volume")[0]["Zone Name"] == "nova"
    project = osc.show("token", "issue")["project_id"]
    osc("quota", "set", "--volumes", "3", "--gigabytes", "5", project)
    shown = {row["Resource"]: row["Limit"] for row in osc.rows("quota", "show", project)}
    assert (shown["volumes"], shown["gigabytes"]) == (3, 5)
    assert "quota" in osc.refused("volume", "create", "--size", "6", "big")
    osc("quota", "delete", "--volume", project)
    assert "volume" in {row["Alias"].split("-")[1] for row in osc.rows("extension", "list", "--volume") if "-" in row["Alias"]}
