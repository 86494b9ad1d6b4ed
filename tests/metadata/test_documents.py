"""The metadata as guests read it."""

import base64
import json

from msgspec.structs import replace

from kilonova.build.record import Placed
from kilonova.drivers.network.metadata import find
from kilonova.metadata import documents, drive_documents
from kilonova.model.ids import SubnetId
from kilonova.model.port import Address
from tests.drivers.builds import image_of, placed

SCRIPT = b"#!/bin/sh\necho \xff\n"


def server(**known: object) -> Placed:
    return placed(
        image_of(b"x"),
        key_name="mine",
        public_key="ssh-ed25519 AAAA me\n",
        user_data=base64.b64encode(SCRIPT).decode(),
        admin_password="s3cret",
        metadata={"role": "db"},
        personality=(("/etc/motd", base64.b64encode(b"hello").decode()),),
        **known,
    )


def test_meta_data_has_what_cloud_init_reads() -> None:
    build = server()
    facts = json.loads(documents(build)["openstack/latest/meta_data.json"])
    assert facts["uuid"] == build.server_id
    assert facts["hostname"] == "my-server.novalocal"
    assert facts["name"] == "My server, with=commas"
    assert facts["availability_zone"] == "nova"
    assert facts["public_keys"] == {"mine": "ssh-ed25519 AAAA me\n"}
    assert facts["keys"] == [{"name": "mine", "type": "ssh", "data": "ssh-ed25519 AAAA me\n"}]
    assert facts["meta"] == {"role": "db"}
    assert facts["admin_pass"] == "s3cret"
    assert facts["files"] == [{"path": "/etc/motd", "content_path": "/content/0000"}]
    assert facts["launch_index"] == 0
    assert facts["project_id"] == "p"
    assert facts["devices"] == []
    assert "random_seed" not in facts


def test_every_version_says_the_same() -> None:
    found = documents(server())
    for name in ("meta_data.json", "user_data", "network_data.json", "vendor_data.json", "vendor_data2.json"):
        assert found[f"openstack/2018-08-27/{name}"] == found[f"openstack/latest/{name}"]
    assert found["openstack/latest/user_data"] == SCRIPT == found["latest/user-data"] == found["2009-04-04/user-data"]
    assert found["openstack/content/0000"] == b"hello"


def test_without_user_data_key_or_password_there_is_none() -> None:
    found = documents(placed())
    assert not [name for name in found if "user" in name or "public-keys" in name]
    assert {"keys", "public_keys", "admin_pass", "files"}.isdisjoint(json.loads(found["openstack/latest/meta_data.json"]))


def test_network_data_by_dhcp_and_static() -> None:
    build = server()
    port = build.ports[0]
    static = replace(port.addresses[0], dhcp=False, host_routes=(("10.9.0.0/16", "10.0.0.9"),))
    six = Address(subnet_id=SubnetId("6"), ip="fd00::5", cidr="fd00::/64", gateway="fd00::1", dhcp=False)
    by_dhcp = json.loads(documents(build)["openstack/latest/network_data.json"])
    (link,) = by_dhcp["links"]
    assert link == {"id": f"tap{port.id[:11]}", "vif_id": port.id, "type": "tap", "mtu": 1500, "ethernet_mac_address": port.mac}
    assert by_dhcp["networks"] == [{"id": "network0", "link": link["id"], "type": "ipv4_dhcp", "network_id": "n"}]
    assert by_dhcp["services"] == [{"type": "dns", "address": "10.0.0.2"}, {"type": "dns", "address": "10.0.0.3"}]

    asked = (replace(port, addresses=(replace(six, dhcp=True),)),)
    (six_by_dhcp,) = json.loads(documents(server(ports=asked))["openstack/latest/network_data.json"])["networks"]
    assert six_by_dhcp["type"] == "ipv6_dhcpv6-stateful"  # what the network's DHCP does; with ipv6_slaac a guest asks nobody

    fixed = json.loads(documents(server(ports=(replace(port, addresses=(static, six)),)))["openstack/latest/network_data.json"])
    four, other = fixed["networks"]
    assert (four["type"], four["ip_address"], four["netmask"]) == ("ipv4", "10.0.0.5", "255.255.255.0")
    assert four["routes"] == [
        {"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.0.0.1"},
        {"network": "10.9.0.0", "netmask": "255.255.0.0", "gateway": "10.0.0.9"},
    ]
    assert (other["type"], other["ip_address"], other["id"]) == ("ipv6", "fd00::5", "network1")
    assert other["routes"] == [{"network": "::", "netmask": "::", "gateway": "fd00::1"}]


def test_ec2_paths() -> None:
    found = documents(server())
    told = {name: found[f"latest/meta-data/{name}"].decode() for name in ("hostname", "local-ipv4", "instance-type")}
    assert told == {"hostname": "my-server.novalocal", "local-ipv4": "10.0.0.5", "instance-type": "m1.tiny"}
    assert found["latest/meta-data/public-keys/0/openssh-key"] == b"ssh-ed25519 AAAA me\n"
    assert found["latest/meta-data/instance-id"].startswith(b"i-")
    assert found["latest/meta-data/ami-id"].startswith(b"ami-")
    assert found["2009-04-04/meta-data/placement/availability-zone"] == b"nova"


def test_listings_as_the_metadata_service_gives_them() -> None:
    found = documents(server())
    told = {
        path: find(found, path).body.decode().splitlines() for path in ("openstack", "openstack/latest/", "latest/meta-data/")
    }
    assert {"latest", "2018-08-27"} <= set(told["openstack"])  # cloud-init looks for the bare names
    assert "user_data" in told["openstack/latest/"]
    assert "public-keys/" in told["latest/meta-data/"]
    assert find(found, "latest/meta-data/public-keys/").body == b"0=mine"  # EC2 clients read the index out of this
    assert find(found, "2009-04-04/meta-data/public-keys/0/").body == b"openssh-key"


def test_the_drive_has_a_seed_and_no_loose_ec2_paths() -> None:
    found = drive_documents(server(), b"\1" * 512)
    facts = json.loads(found["openstack/latest/meta_data.json"])
    assert base64.b64decode(facts["random_seed"]) == b"\1" * 512
    assert {name.split("/")[0] for name in found} == {"openstack", "ec2"}
    assert json.loads(found["ec2/latest/meta-data.json"])["local-ipv4"] == "10.0.0.5"
