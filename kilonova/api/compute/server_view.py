"""How a server looks: the newest form, for its owner and for admins. Looks nothing up."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from kilonova.api.call import Call
from kilonova.api.compute.asking import shown
from kilonova.api.compute.changes.change import Document, Shown
from kilonova.api.compute.saying import bookmark, links, long_stamp, stamp
from kilonova.api.world import Books
from kilonova.model.flavor import Flavor
from kilonova.model.host import Host
from kilonova.model.server import Server
from kilonova.model.server_address import ServerAddress

WITH_PROGRESS = ("ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING")
WITH_FAULT = ("ERROR", "DELETED")
Addresses = Sequence[ServerAddress]


class Seen(NamedTuple):
    """A server and what is shown around it. `host` is looked up for admins only; `group` only for one server, not in lists."""

    server: Server
    addresses: Addresses
    security_groups: Sequence[str]
    volumes: Sequence[tuple[str, bool]]
    """(volume id, whether it goes with the server)"""
    host: Host | None
    group: str | None = None


def brief(call: Call, server: Server) -> Document:
    """In the short list."""
    return {"id": server.id, "name": server.name, "links": links(call, "servers", server.id)}


def look_at(call: Call, books: Books, servers: Sequence[Server]) -> list[Seen]:
    """Each with what is shown around it, in as many queries as for one."""
    ids = [server.id for server in servers]
    addresses, groups, volumes = (
        books.servers.addresses(ids),
        books.servers.security_groups_of(ids),
        books.servers.volumes_of(ids),
    )
    with_host = call.who.is_admin and any(server.host for server in servers)
    hosts: dict[str, Host] = {host.name: host for host in books.hosts.hosts()} if with_host else {}
    return [
        Seen(
            server=server,
            addresses=addresses.get(server.id, ()),
            security_groups=groups.get(server.id, ()),
            volumes=volumes.get(server.id, ()),
            host=hosts.get(server.host or ""),
        )
        for server in servers
    ]


def detailed(call: Call, seen: Seen) -> Document:
    """In the client's version."""
    return shown(call, Shown.SERVER, _newest(call, seen), seen.server)


def _newest(call: Call, seen: Seen) -> Document:
    server = seen.server
    document: Document = {
        "id": server.id,
        "name": server.name,
        "status": server.status,
        "tenant_id": server.project_id,
        "user_id": server.user_id,
        "metadata": server.metadata,
        "hostId": host_hash(server.project_id, server.host),
        "image": _image(call, server) if server.image_id else "",
        "flavor": _flavor(server.flavor),
        "created": stamp(server.created_at),
        "updated": stamp(server.updated_at or server.created_at),
        "addresses": by_network(seen.addresses, with_mac=True),
        "accessIPv4": server.access_ipv4,
        "accessIPv6": server.access_ipv6,
        "links": links(call, "servers", server.id),
        **_extended(server),
        "os-extended-volumes:volumes_attached": [
            {"id": volume, "delete_on_termination": goes_along} for volume, goes_along in seen.volumes
        ],
        "locked": server.locked,
        "locked_reason": server.locked_reason,
        "description": server.description,
        "tags": server.tags,
        "trusted_image_certificates": None,
        "server_groups": [] if seen.group is None else [seen.group],
        "pinned_availability_zone": server.requested_zone,
        "scheduler_hints": server.hints,
    }
    if seen.security_groups:
        document["security_groups"] = [{"name": name} for name in seen.security_groups]
    if server.status in WITH_FAULT and server.fault is not None:
        document["fault"] = _fault(call, server)
    if server.status in WITH_PROGRESS:
        document["progress"] = server.progress
    if call.who.is_admin:
        document.update(_for_admins(server, seen.host))
    return document


def _extended(server: Server) -> Document:
    """What Nova's extensions once added, and still has their names."""
    return {
        "OS-DCF:diskConfig": server.disk_config,
        "OS-EXT-AZ:availability_zone": server.availability_zone or "",
        "config_drive": "True" if server.config_drive else "",
        "key_name": server.key_name,
        "OS-SRV-USG:launched_at": long_stamp(server.launched_at),
        "OS-SRV-USG:terminated_at": long_stamp(server.terminated_at),
        "OS-EXT-STS:task_state": server.task_state,
        "OS-EXT-STS:vm_state": server.vm_state,
        "OS-EXT-STS:power_state": server.power_state,
        "OS-EXT-SRV-ATTR:hostname": server.hostname,
    }


def _for_admins(server: Server, host: Host | None) -> Document:
    prefix = "OS-EXT-SRV-ATTR:"
    return {
        prefix + "host": server.host,
        prefix + "hypervisor_hostname": server.host,
        prefix + "instance_name": f"instance-{server.id[:8]}",
        prefix + "reservation_id": server.reservation_id,
        prefix + "launch_index": server.launch_index,
        prefix + "kernel_id": "",
        prefix + "ramdisk_id": "",
        prefix + "root_device_name": "/dev/vda",
        prefix + "user_data": server.user_data,
        "host_status": host_status(host) if server.host else "",
    }


def host_status(host: Host | None) -> str:
    """As admins see it on a server."""
    if host is None:
        return "UNKNOWN"
    if not host.enabled:
        return "MAINTENANCE"
    return "UP" if host.up else "DOWN"


def _image(call: Call, server: Server) -> Document:
    image_id = server.image_id or ""
    return {"id": image_id, "links": bookmark(call, "images", image_id), "properties": server.image_properties}


def _flavor(flavor: Flavor) -> Document:
    return {
        "vcpus": flavor.vcpus,
        "ram": flavor.ram_mb,
        "disk": flavor.disk_gb,
        "ephemeral": flavor.ephemeral_gb,
        "swap": flavor.swap_mb,
        "original_name": flavor.name,
        "extra_specs": flavor.extra_specs,
    }


def _fault(call: Call, server: Server) -> Document:
    assert server.fault is not None
    fault: Document = {
        "code": server.fault.code,
        "created": stamp(server.fault.created_at),
        "message": server.fault.message,
    }
    if call.who.is_admin and server.fault.details:
        fault["details"] = server.fault.details
    return fault


def by_network(addresses: Addresses, *, with_mac: bool) -> dict[str, list[dict[str, Any]]]:
    """Network name → its addresses."""
    networks: dict[str, list[dict[str, Any]]] = {}
    for address in addresses:
        shown_address: dict[str, Any] = {"version": address.version, "addr": address.ip}
        if with_mac:
            shown_address["OS-EXT-IPS:type"] = address.kind
            shown_address["OS-EXT-IPS-MAC:mac_addr"] = address.mac
        networks.setdefault(address.network_name, []).append(shown_address)
    return networks


@lru_cache(maxsize=4096)
def host_hash(project_id: str, host: str | None) -> str:
    """Tells a project which of its servers share a host, and nothing else."""
    return hashlib.sha224((project_id + host).encode()).hexdigest() if host else ""
