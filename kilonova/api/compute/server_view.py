"""How a server looks: the newest form, for its owner and for admins. Looks nothing up."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from kilonova.api.call import Call
from kilonova.api.compute.asking import shown
from kilonova.api.compute.changes.change import Document, Shown
from kilonova.api.compute.saying import bookmark, links, long_stamp, stamp
from kilonova.model.flavor import Flavor
from kilonova.model.host import Host
from kilonova.model.server import Server
from kilonova.model.server_address import ServerAddress

WITH_PROGRESS = ("ACTIVE", "BUILD")
WITH_FAULT = ("ERROR", "DELETED")
Addresses = Sequence[ServerAddress]


def brief(call: Call, server: Server) -> Document:
    """In the short list."""
    return {"id": server.id, "name": server.name, "links": links(call, "servers", server.id)}


def detailed(call: Call, server: Server, addresses: Addresses, hosts: Mapping[str, Host]) -> Document:
    """In the client's version. `hosts` by name are needed for admins only."""
    return shown(call, Shown.SERVER, _newest(call, server, addresses, hosts), server)


def _newest(call: Call, server: Server, addresses: Addresses, hosts: Mapping[str, Host]) -> Document:
    document: Document = {
        "id": server.id,
        "name": server.name,
        "status": server.status,
        "tenant_id": server.project_id,
        "user_id": server.user_id,
        "metadata": server.metadata,
        "hostId": host_hash(server.project_id, server.host),
        "image": {"id": server.image_id, "links": bookmark(call, "images", server.image_id)} if server.image_id else "",
        "flavor": _flavor(server.flavor),
        "created": stamp(server.created_at),
        "updated": stamp(server.updated_at or server.created_at),
        "addresses": by_network(addresses, with_mac=True),
        "accessIPv4": server.access_ipv4,
        "accessIPv6": server.access_ipv6,
        "links": links(call, "servers", server.id),
        **_extended(server),
        "locked": server.locked,
        "locked_reason": server.locked_reason,
        "description": server.description,
        "tags": server.tags,
        "trusted_image_certificates": None,
        "server_groups": [],
        "pinned_availability_zone": server.requested_zone,
    }
    if addresses:
        document["security_groups"] = [{"name": name} for name in server.security_groups]
    if server.status in WITH_FAULT and server.fault is not None:
        document["fault"] = _fault(call, server)
    if server.status in WITH_PROGRESS:
        document["progress"] = server.progress
    if call.who.is_admin:
        document.update(_for_admins(server, hosts))
    return document


def _extended(server: Server) -> Document:
    """What Nova's extensions once added, and still has their names."""
    return {
        "OS-DCF:diskConfig": "MANUAL",
        "OS-EXT-AZ:availability_zone": server.availability_zone or "",
        "config_drive": "True" if server.config_drive else "",
        "key_name": server.key_name,
        "OS-SRV-USG:launched_at": long_stamp(server.launched_at),
        "OS-SRV-USG:terminated_at": long_stamp(server.terminated_at),
        "OS-EXT-STS:task_state": server.task_state,
        "OS-EXT-STS:vm_state": server.vm_state,
        "OS-EXT-STS:power_state": server.power_state,
        "os-extended-volumes:volumes_attached": [],
        "OS-EXT-SRV-ATTR:hostname": server.hostname,
    }


def _for_admins(server: Server, hosts: Mapping[str, Host]) -> Document:
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
        "host_status": host_status(hosts.get(server.host)) if server.host else "",
    }


def host_status(host: Host | None) -> str:
    """As admins see it on a server."""
    if host is None:
        return "UNKNOWN"
    if not host.enabled:
        return "MAINTENANCE"
    return "UP" if host.up else "DOWN"


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
