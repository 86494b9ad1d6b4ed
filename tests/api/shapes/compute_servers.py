"""What compute answers about servers and their parts, in each microversion."""

from tests.api.shapes.notation import LINKS, TIME_MICRO, TIME_Z, UUID, Map, OneOf, Open, Shape, Text, maybe
from tests.api.shapes.tables import Answers

STRINGS = Map(str)
ADDRESS = Text(r"[0-9.]+|[0-9a-f:.]+")
MAC = Text(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")
STATUS = Text(r"[A-Z_]+")
FLAVOR_OF = OneOf(
    {
        "vcpus@2.47": int,
        "ram@2.47": int,
        "disk@2.47": int,
        "ephemeral@2.47": int,
        "swap@2.47": int,
        "original_name@2.47": str,
        "extra_specs@2.47?": STRINGS,
        "id@-2.46": str,
        "links@-2.46": LINKS,
    },
)
IMAGE_OF = OneOf("", {"id": UUID, "links": LINKS, "properties@2.98": STRINGS})
ADDRESS_SHORT = {"version": OneOf(4, 6), "addr": ADDRESS}
ADDRESS_LONG = ADDRESS_SHORT | {"OS-EXT-IPS:type": OneOf("fixed", "floating"), "OS-EXT-IPS-MAC:mac_addr": MAC}
FAULT = {"code": int, "created": TIME_Z, "message": str, "details?": str}
BRIEF = {"id": UUID, "name": str, "links": LINKS}
_NUMBERS = ("octets", "errors", "drop", "packets", "rate")
DIAGNOSTICS = {
    "state@2.48": "running",
    "driver@2.48": "libvirt",
    "hypervisor@2.48": OneOf("kvm", "qemu", "simulated"),
    "hypervisor_os@2.48": "linux",
    "uptime@2.48": int,
    "config_drive@2.48": bool,
    **dict.fromkeys(("num_cpus@2.48", "num_nics@2.48", "num_disks@2.48"), int),
    "memory_details@2.48": {"maximum": int, "used": None},
    "cpu_details@2.48": [{"id": int, "time": int | None, "utilisation": None}],
    "nic_details@2.48": [{"mac_address": MAC} | {f"{way}_{what}": None for way in ("rx", "tx") for what in _NUMBERS}],
    "disk_details@2.48": [
        dict.fromkeys(("read_bytes", "read_requests", "write_bytes", "write_requests", "errors_count"), int),
    ],
}
LIBVIRTS_DIAGNOSTICS = Open(
    {"memory@-2.47": int, "memory-rss@-2.47?": int}, rest=int, named=r"[a-z0-9]+_(time|(read|write)(_req)?|errors)"
)
_X = "OS-EXT-SRV-ATTR:"
CORE = BRIEF | {
    "status": STATUS,
    "tenant_id": str,
    "user_id": str,
    "metadata": STRINGS,
    "hostId": Text(r"([0-9a-f]{56})?"),
    "image": IMAGE_OF,
    "flavor": FLAVOR_OF,
    "created": TIME_Z,
    "updated": TIME_Z,
    "accessIPv4": str,
    "accessIPv6": str,
    "OS-DCF:diskConfig": OneOf("AUTO", "MANUAL"),
    "locked@2.9": bool,
    "description@2.19": str | None,
    "tags@2.26": [str],
    "trusted_image_certificates@2.63": None,
    "locked_reason@2.73": str | None,
    "pinned_availability_zone@2.96": str | None,
    "scheduler_hints@2.100": Map(object),
    "progress?": int,
    "fault?": FAULT,
}
"""What every answer with a server in it has."""
EXTENDED = {
    "addresses": Map([ADDRESS_LONG]),
    "OS-EXT-AZ:availability_zone": str,
    "config_drive": OneOf("", "True"),
    "key_name": str | None,
    "OS-SRV-USG:launched_at": maybe(TIME_MICRO),
    "OS-SRV-USG:terminated_at": maybe(TIME_MICRO),
    "OS-EXT-STS:task_state": str | None,
    "OS-EXT-STS:vm_state": str,
    "OS-EXT-STS:power_state": int,
    "os-extended-volumes:volumes_attached": [{"id": UUID, "delete_on_termination@2.3": bool}],
    "security_groups?": [{"name": str}],
    f"{_X}hostname@2.90": str,
    f"{_X}hostname@2.3-2.89?": str,
    f"{_X}host?": str | None,
    f"{_X}hypervisor_hostname?": str | None,
    f"{_X}instance_name?": str,
    f"{_X}reservation_id@2.3?": str,
    f"{_X}launch_index@2.3?": int,
    f"{_X}kernel_id@2.3?": str,
    f"{_X}ramdisk_id@2.3?": str,
    f"{_X}root_device_name@2.3?": str,
    f"{_X}user_data@2.3?": str | None,
    "host_status@2.16?": OneOf("UP", "DOWN", "MAINTENANCE", "UNKNOWN", ""),
}
"""What came with extensions: always in GET, in the answer to PUT and rebuild since 2.75. Hosts and the like are for admins."""
SERVER = CORE | EXTENDED
ONE = SERVER | {"server_groups@2.71": [UUID]}
CHANGED = OneOf(
    CORE | {"addresses@-2.74": Map([ADDRESS_SHORT]), "key_name@2.54-2.74?": str | None, "server_groups@2.71-2.74": [UUID]},
    ONE,
)
REBUILT_OLD = CORE | {
    "addresses@-2.74": Map([ADDRESS_SHORT]),
    "key_name@2.54-2.74": str | None,
    "user_data@2.57-2.74": str | None,
    "server_groups@2.71-2.74": [UUID],
    "adminPass?": str,
}
REBUILT = OneOf(REBUILT_OLD, ONE | {"adminPass?": str, "user_data?": str | None})
MADE = {"id": UUID, "links": LINKS, "OS-DCF:diskConfig": str, "security_groups": [{"name": str}], "adminPass?": str}
ACTION = {
    "action": str,
    "instance_uuid": UUID,
    "request_id": str,
    "user_id": str | None,
    "project_id": str | None,
    "start_time": TIME_MICRO,
    "message": str | None,
    "updated_at@2.58": TIME_MICRO,
}
EVENT = {
    "event": str,
    "start_time": TIME_MICRO,
    "finish_time": maybe(TIME_MICRO),
    "result": str | None,
    "traceback?": str | None,
    "host@2.62?": str | None,
    "hostId@2.62": str,
    "details@2.84": str | None,
}
ATTACHED = {
    "id@-2.88": UUID,
    "attachment_id@2.89": UUID,
    "bdm_uuid@2.89": UUID,
    "serverId": UUID,
    "volumeId": UUID,
    "device": str | None,
    "tag@2.70": str | None,
    "delete_on_termination@2.79": bool,
}
ATTACHING = {
    "id": UUID,
    "serverId": UUID,
    "volumeId": UUID,
    "device": str | None,
    "tag@2.70": str | None,
    "delete_on_termination@2.79": bool,
}
"""The answer to attaching kept its form when what is shown later lost its id."""
INTERFACE = {
    "port_id": UUID,
    "net_id": UUID,
    "mac_addr": MAC,
    "port_state": str,
    "fixed_ips": [{"ip_address": ADDRESS, "subnet_id": UUID}],
    "tag@2.70": str | None,
}
MIGRATION = {
    "id": int,
    "uuid@2.59": UUID,
    "server_uuid": UUID,
    "status": str,
    "source_compute": str | None,
    "source_node": str | None,
    "dest_compute": str | None,
    "dest_node": str | None,
    "dest_host": str | None,
    "user_id@2.80": str | None,
    "project_id@2.80": str | None,
    "created_at": TIME_MICRO,
    "updated_at": maybe(TIME_MICRO),
    **{f"{what}_{which}_bytes": int | None for what in ("memory", "disk") for which in ("total", "processed", "remaining")},
}
RULE_OF_GROUP = {
    "id": UUID,
    "parent_group_id": UUID,
    "ip_protocol": str | None,
    "from_port": int | None,
    "to_port": int | None,
    "group": {"name?": str, "tenant_id?": str},
    "ip_range": {"cidr?": str},
}
SECURITY_GROUP = {"id": UUID, "name": str, "description": str, "tenant_id": str, "rules": [RULE_OF_GROUP]}
CONSOLE = {"type": str, "url": str}
ACTED = OneOf(
    {"output": str},
    {"console": CONSOLE},
    {"remote_console": CONSOLE | {"protocol": str}},
    {"adminPass": str},
    {"security_groups": [SECURITY_GROUP]},
)
_S = "/v2.1/servers/{server_id}"


def listed(shape: Shape) -> Shape:
    return {"servers": [shape], "servers_links?": LINKS}


SHAPES: Answers = {
    "GET /v2.1/servers": {200: listed(BRIEF)},
    "GET /v2.1/servers/detail": {200: listed(SERVER)},
    "POST /v2.1/servers": {202: OneOf({"server": MADE}, {"reservation_id": str})},
    f"GET {_S}": {200: {"server": ONE}},
    f"PUT {_S}": {200: {"server": CHANGED}},
    f"POST {_S}/action": {
        200: OneOf(None, *ACTED),
        202: OneOf(None, {"server": REBUILT}, {"image_id": UUID}, {"adminPass": str}),
    },
    f"GET {_S}/ips": {200: {"addresses": Map([ADDRESS_SHORT])}},
    f"GET {_S}/ips/{{network_name}}": {200: Map([ADDRESS_SHORT], at_least=1)},
    f"GET {_S}/metadata": {200: {"metadata": STRINGS}},
    f"POST {_S}/metadata": {200: {"metadata": STRINGS}},
    f"PUT {_S}/metadata": {200: {"metadata": STRINGS}},
    f"GET {_S}/metadata/{{key}}": {200: {"meta": STRINGS}},
    f"PUT {_S}/metadata/{{key}}": {200: {"meta": STRINGS}},
    f"GET {_S}/tags": {200: {"tags": [str]}},
    f"PUT {_S}/tags": {200: {"tags": [str]}},
    f"GET {_S}/os-volume_attachments": {200: {"volumeAttachments": [ATTACHED]}},
    f"POST {_S}/os-volume_attachments": {200: {"volumeAttachment": ATTACHING}},
    f"GET {_S}/os-volume_attachments/{{volume_id}}": {200: {"volumeAttachment": ATTACHED}},
    f"GET {_S}/os-interface": {200: {"interfaceAttachments": [INTERFACE]}},
    f"POST {_S}/os-interface": {200: {"interfaceAttachment": INTERFACE}},
    f"GET {_S}/os-interface/{{port_id}}": {200: {"interfaceAttachment": INTERFACE}},
    f"GET {_S}/os-instance-actions": {200: {"instanceActions": [ACTION], "links@2.58?": LINKS}},
    f"GET {_S}/os-instance-actions/{{request_id}}": {200: {"instanceAction": ACTION | {"events?": [EVENT]}}},
    f"GET {_S}/migrations": {200: {"migrations": [MIGRATION]}},
    f"GET {_S}/migrations/{{migration_id}}": {200: {"migration": MIGRATION}},
    f"GET {_S}/os-server-password": {200: {"password": str}},
    f"GET {_S}/os-security-groups": {200: {"security_groups": [SECURITY_GROUP]}},
    f"GET {_S}/diagnostics": {200: OneOf(DIAGNOSTICS, LIBVIRTS_DIAGNOSTICS)},
    f"GET {_S}/topology": {200: {"nodes": [object], "pagesize_kb": int | None}},
    "POST /v2.1/os-volumes_boot": {202: OneOf({"server": MADE}, {"reservation_id": str})},
}
