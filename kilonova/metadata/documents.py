"""What a guest may learn about itself, laid out as OpenStack's metadata service and config drive lay it out.

Pure: it neither serves nor writes anything. The metadata service answers from `documents` and lists their folders itself, the
config drive is written from `drive_documents`. Keys are paths without a leading slash; values are the bodies. A key that ends
in a slash is a folder's listing where that says more than its entries' names.
"""

import base64
import binascii
from ipaddress import ip_network
from typing import Any

import msgspec

from kilonova.metadata.described import Described
from kilonova.model.port import Address, Port

OPENSTACK_VERSIONS = ("2012-08-10", "2018-08-27", "latest")
"""The layouts served. Guests take the newest they know; each holds everything, since a reader skips what it does not know."""
EC2_VERSIONS = ("2009-04-04", "latest")


def documents(server: Described) -> dict[str, bytes]:
    """Everything the metadata service answers this server: path → body."""
    return {**_openstack(server, None), **_ec2(server)}


def drive_documents(server: Described, random_seed: bytes) -> dict[str, bytes]:
    """What a config drive holds: the same facts, `random_seed` for the guest's entropy, and EC2's as one JSON file."""
    user_data = _user_data(server)
    found = _openstack(server, random_seed)
    found["ec2/latest/meta-data.json"] = msgspec.json.encode(_ec2_facts(server))
    if user_data is not None:
        found["ec2/latest/user-data"] = user_data
    return found


def _openstack(server: Described, random_seed: bytes | None) -> dict[str, bytes]:
    facts = _meta_data(server)
    if random_seed is not None:
        facts["random_seed"] = base64.b64encode(random_seed).decode()
    each = {
        "meta_data.json": msgspec.json.encode(facts),
        "network_data.json": msgspec.json.encode(_network_data(server.ports)),
        "vendor_data.json": b"{}",
        "vendor_data2.json": b"{}",
    }
    user_data = _user_data(server)
    if user_data is not None:
        each["user_data"] = user_data
    found = {f"openstack/{version}/{name}": body for version in OPENSTACK_VERSIONS for name, body in each.items()}
    for index, (_, contents) in enumerate(server.personality):
        found[f"openstack/content/{index:04}"] = _decoded(contents)
    return found


def _meta_data(server: Described) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "uuid": server.server_id,
        "name": server.name,
        "hostname": _full_hostname(server),
        "availability_zone": server.availability_zone or server.zone,
        "launch_index": server.launch_index,
        "project_id": server.project_id,
        "meta": server.metadata,
        "devices": [],
        "dedicated_cpus": [],
    }
    if server.public_key and server.key_name:
        facts["public_keys"] = {server.key_name: server.public_key}
        facts["keys"] = [{"name": server.key_name, "type": server.key_type, "data": server.public_key}]
    if server.admin_password:
        facts["admin_pass"] = server.admin_password
    if server.personality:
        facts["files"] = [
            {"path": path, "content_path": f"/content/{index:04}"} for index, (path, _) in enumerate(server.personality)
        ]
    return facts


def _network_data(ports: tuple[Port, ...]) -> dict[str, Any]:
    """OpenStack's ``network_data.json``: links (NICs), networks (an entry per address) and services (name servers)."""
    networks: list[dict[str, Any]] = []
    name_servers: dict[str, None] = {}
    for port in ports:
        for address in port.addresses:
            networks.append({"id": f"network{len(networks)}", "link": _link_id(port), **_network(port, address)})
            name_servers.update(dict.fromkeys(address.dns))
    links = [
        {"id": _link_id(port), "vif_id": port.id, "type": "tap", "mtu": port.mtu, "ethernet_mac_address": port.mac}
        for port in ports
    ]
    return {"links": links, "networks": networks, "services": [{"type": "dns", "address": one} for one in name_servers]}


def _network(port: Port, address: Address) -> dict[str, Any]:
    subnet = ip_network(address.cidr, strict=False)
    if address.dhcp:
        # Every IPv6 address is handed out by DHCPv6, in each address mode: a guest told to form its own would get none.
        return {"type": "ipv4_dhcp" if subnet.version == 4 else "ipv6_dhcpv6-stateful", "network_id": port.network_id}
    routes = [_route(destination, hop) for destination, hop in address.host_routes]
    if address.gateway:
        routes.insert(0, _route("0.0.0.0/0" if subnet.version == 4 else "::/0", address.gateway))
    return {
        "type": f"ipv{subnet.version}",
        "network_id": port.network_id,
        "ip_address": address.ip,
        "netmask": str(subnet.netmask),
        "routes": routes,
        "services": [{"type": "dns", "address": one} for one in address.dns],
    }


def _route(destination: str, hop: str) -> dict[str, str]:
    network = ip_network(destination, strict=False)
    return {"network": str(network.network_address), "netmask": str(network.netmask), "gateway": hop}


def _link_id(port: Port) -> str:
    return f"tap{port.id[:11]}"


def _ec2(server: Described) -> dict[str, bytes]:
    each: dict[str, bytes] = {}
    for name, fact in _ec2_facts(server).items():
        if isinstance(fact, dict):
            each |= {f"meta-data/{name}/{inner}": str(value).encode() for inner, value in fact.items()}
        else:
            each[f"meta-data/{name}"] = str(fact).encode()
    if server.public_key:
        each["meta-data/public-keys/"] = f"0={server.key_name or 'key'}".encode()
        each["meta-data/public-keys/0/openssh-key"] = server.public_key.strip().encode() + b"\n"
    user_data = _user_data(server)
    if user_data is not None:
        each["user-data"] = user_data
    return {f"{version}/{name}": body for version in EC2_VERSIONS for name, body in each.items()}


def _ec2_facts(server: Described) -> dict[str, Any]:
    addresses = [address.ip for port in server.ports for address in port.addresses if ":" not in address.ip]
    hostname = _full_hostname(server)
    facts: dict[str, Any] = {
        "ami-id": f"ami-{_short(server.image.id)}" if server.image else "ami-00000000",
        "ami-launch-index": server.launch_index,
        "ami-manifest-path": "FIXME",
        "block-device-mapping": {"ami": "vda", "root": "/dev/vda"},
        "hostname": hostname,
        "instance-action": "none",
        "instance-id": f"i-{_short(server.server_id)}",
        "instance-type": server.flavor.name,
        "local-hostname": hostname,
        "local-ipv4": addresses[0] if addresses else "",
        "placement": {"availability-zone": server.availability_zone or server.zone},
        "public-hostname": hostname,
        "public-ipv4": "",
        "reservation-id": server.reservation_id or f"r-{_short(server.server_id)}",
    }
    return facts


def _short(identifier: str) -> str:
    return identifier.replace("-", "")[:8].rjust(8, "0")


def _full_hostname(server: Described) -> str:
    return f"{server.hostname}.novalocal"


def _user_data(server: Described) -> bytes | None:
    return None if server.user_data is None else _decoded(server.user_data)


def _decoded(text: str) -> bytes:
    """Base64 as the client sent it. The API has checked it; should it be plain text all the same, the guest gets that text."""
    try:
        return base64.b64decode(text, validate=False)
    except (binascii.Error, ValueError):
        return text.encode()
