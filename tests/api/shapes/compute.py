"""What compute answers, in each microversion; servers and their parts are in `compute_servers.py`.

Paths of the older name (`/v2/`) are those of `/v2.1/`. A route that is not here answers with no body.
"""

from tests.api.shapes import compute_servers
from tests.api.shapes.compute_servers import RULE_OF_GROUP, SECURITY_GROUP, STRINGS
from tests.api.shapes.notation import LINKS, TIME_MICRO, TIME_Z, UUID, Map, OneOf, Shape, Text, maybe
from tests.api.shapes.tables import Answers, error_of_nova

error = error_of_nova
STAMP = maybe(TIME_MICRO)

VERSION = {"id": Text(r"v2\.[01]"), "status": str, "version": str, "min_version": str, "updated": str, "links": LINKS}
VERSION_WHOLE = VERSION | {"media-types": [{"base": str, "type": str}]}
FLAVOR_BRIEF = {"id": str, "name": str, "links": LINKS, "description@2.55": str | None}
FLAVOR = FLAVOR_BRIEF | {
    "ram": int,
    "disk": int,
    "vcpus": int,
    "swap@-2.74": OneOf(int, ""),
    "swap@2.75": int,
    "OS-FLV-EXT-DATA:ephemeral": int,
    "OS-FLV-DISABLED:disabled?": bool,
    "os-flavor-access:is_public": bool,
    "rxtx_factor?": float,
    "extra_specs@2.61?": STRINGS,
}
IMAGE_BRIEF = {"id": UUID, "name": str | None, "links": LINKS}
IMAGE = IMAGE_BRIEF | {
    "status": OneOf("ACTIVE", "SAVING", "DELETED", "ERROR", "UNKNOWN"),
    "progress": int,
    "minDisk": int,
    "minRam": int,
    "metadata": STRINGS,
    "created": TIME_Z,
    "updated": TIME_Z,
    "OS-EXT-IMG-SIZE:size": int | None,
    "OS-DCF:diskConfig?": OneOf("AUTO", "MANUAL"),
    "server?": {"id": str, "links": LINKS},
}
KEY_LISTED = {"name": str, "type@2.2": OneOf("ssh", "x509"), "public_key": str, "fingerprint": str}
KEY_MADE = KEY_LISTED | {"user_id": str, "private_key?": str}
KEY = KEY_LISTED | {
    "user_id": str,
    "id": int,
    "created_at": TIME_MICRO,
    "updated_at": None,
    "deleted": False,
    "deleted_at": None,
}
AGGREGATE_MADE = {
    "id": int,
    "uuid@2.41": UUID,
    "name": str,
    "availability_zone": str | None,
    "created_at": TIME_MICRO,
    "updated_at": STAMP,
    "deleted_at": None,
    "deleted": False,
}
AGGREGATE = AGGREGATE_MADE | {"hosts": [str], "metadata": STRINGS}
GROUP = {
    "id": UUID,
    "name": str,
    "policies@-2.63": [str],
    "metadata@-2.63": STRINGS,
    "policy@2.64": str,
    "rules@2.64": {"max_server_per_host?": int},
    "members": [UUID],
    "project_id@2.13": str,
    "user_id@2.13": str,
}
ID_OF_HOST = {"id@-2.52": int, "id@2.53": UUID}
SERVICE = ID_OF_HOST | {
    "binary": str,
    "host": str,
    "zone": str,
    "status": OneOf("enabled", "disabled"),
    "state": OneOf("up", "down"),
    "updated_at": STAMP,
    "disabled_reason": str | None,
    "forced_down@2.11": bool,
}
SERVICE_OLD = {"binary": str, "host": str, "status?": str, "disabled_reason?": str, "forced_down?": bool}
HYPERVISOR_BRIEF = ID_OF_HOST | {
    "hypervisor_hostname": str,
    "state": OneOf("up", "down"),
    "status": OneOf("enabled", "disabled"),
    "servers@2.53?": [{"name": str, "uuid": UUID}],
}
USAGE = (
    *("vcpus", "vcpus_used", "memory_mb", "memory_mb_used", "free_ram_mb", "local_gb", "local_gb_used", "free_disk_gb"),
    *("disk_available_least", "running_vms", "current_workload"),
)
HYPERVISOR = HYPERVISOR_BRIEF | {
    "hypervisor_type": str,
    "hypervisor_version": int,
    "host_ip": str,
    "service": ID_OF_HOST | {"host": str, "disabled_reason": str | None},
    "uptime@2.88": str | None,
    "cpu_info@-2.27": str,
    "cpu_info@2.28-2.87": Map(object),
    **{f"{name}@-2.87": int | None if name == "disk_available_least" else int for name in USAGE},
}
QUOTA_NAMES = {
    **dict.fromkeys(("instances", "cores", "ram", "metadata_items", "key_pairs"), ""),
    **dict.fromkeys(("fixed_ips", "floating_ips", "security_groups", "security_group_rules"), "@-2.35"),
    **dict.fromkeys(("injected_files", "injected_file_content_bytes", "injected_file_path_bytes"), "@-2.56"),
}
GROUP_QUOTAS = ("server_groups", "server_group_members")


def _quotas(value: Shape) -> Shape:
    return {f"{name}{until}": value for name, until in QUOTA_NAMES.items()} | dict.fromkeys(GROUP_QUOTAS, value)


QUOTAS = _quotas(int)
QUOTAS_OF = QUOTAS | {"id": str}
QUOTAS_USED = _quotas({"limit": int, "in_use": int, "reserved": int}) | {"id": str}
CLASS_QUOTAS = {f"{name}{until.replace('2.35', '2.49')}": int for name, until in QUOTA_NAMES.items()} | {
    f"{name}@2.50": int for name in GROUP_QUOTAS
}
ABSOLUTE = {
    **dict.fromkeys(("maxServerMeta", "maxTotalInstances", "maxTotalCores", "maxTotalRAMSize", "maxTotalKeypairs"), int),
    **dict.fromkeys(("maxServerGroups", "maxServerGroupMembers", "totalInstancesUsed", "totalCoresUsed"), int),
    **dict.fromkeys(("totalRAMUsed", "totalServerGroupsUsed"), int),
    **dict.fromkeys(("maxPersonality@-2.56", "maxPersonalitySize@-2.56", "maxImageMeta@-2.38"), int),
    **dict.fromkeys(("maxSecurityGroups@-2.35", "maxSecurityGroupRules@-2.35", "maxTotalFloatingIps@-2.35"), int),
    **dict.fromkeys(("totalFloatingIpsUsed@-2.35", "totalSecurityGroupsUsed@-2.35"), int),
}
MIGRATION = {
    "id": int,
    "uuid@2.59": UUID,
    "instance_uuid": UUID,
    "migration_type@2.23": str,
    "status": str,
    "source_compute": str | None,
    "source_node": str | None,
    "dest_compute": str | None,
    "dest_node": str | None,
    "dest_host": str | None,
    "old_instance_type_id": int | None,
    "new_instance_type_id": int | None,
    "user_id@2.80": str | None,
    "project_id@2.80": str | None,
    "created_at": TIME_MICRO,
    "updated_at": STAMP,
    "links@2.23?": LINKS,
}
ZONE = {"zoneName": str, "zoneState": {"available": bool}}
SERVICES_OF_ZONE = Map(Map({"available": bool, "active": bool, "updated_at": str | None}))
SERVER_USED = {
    "instance_id": UUID,
    "name": str,
    "tenant_id": str,
    "flavor": str,
    "memory_mb": int,
    "local_gb": int,
    "vcpus": int,
    "hours": float,
    "started_at": TIME_MICRO,
    "ended_at": STAMP,
    "state": str,
    "uptime": int,
}
USED = {
    "tenant_id": str,
    "total_local_gb_usage": float,
    "total_vcpus_usage": float,
    "total_memory_mb_usage": float,
    "total_hours": float,
    "start": TIME_MICRO,
    "stop": TIME_MICRO,
    "server_usages?": [SERVER_USED],
}
AUDIT = {
    "period_beginning": str,
    "period_ending": str,
    **dict.fromkeys(("num_hosts", "num_hosts_done", "num_hosts_running", "num_hosts_not_run"), int),
    "hosts_not_run": [str],
    "total_instances": int,
    "total_errors": int,
    "overall_status": str,
    "log": Map(object),
}
EXTENSION = {"alias": str, "name": str, "description": str, "namespace": str, "updated": str, "links": [object]}
FLOATING = {"id": UUID, "ip": str, "fixed_ip": str | None, "pool": str, "instance_id": maybe(UUID)}
NETWORK = {"id": UUID, "label": str}
CIDRS = dict.fromkeys(("cidr", "netmask", "gateway", "broadcast", "dns1", "dns2", "cidr_v6", "gateway_v6", "netmask_v6"))
ADMIN_ONLY = dict.fromkeys(
    (
        *("created_at?", "updated_at?", "deleted_at?", "deleted?", "injected?", "bridge?", "vlan?", "vpn_public_address?"),
        *("vpn_public_port?", "vpn_private_address?", "dhcp_start?", "project_id?", "host?", "bridge_interface?", "multi_host?"),
        *("priority?", "rxtx_base?", "mtu?", "dhcp_server?", "enable_dhcp?", "share_address?"),
    )
)
HOST_OF = {"resource": {"host": str, "project": str, "cpu": int, "memory_mb": int, "disk_gb": int}}
HAPPENED = {"name": str, "server_uuid": UUID, "status": str, "code": int, "tag?": str}
ACCESS = {200: {"flavor_access": [{"flavor_id": str, "tenant_id": str}]}}
SPECS = {200: {"extra_specs": STRINGS}}
METADATA = {200: {"metadata": STRINGS}}

SHAPES: Answers = {
    **compute_servers.SHAPES,
    "GET /": {200: {"versions": [VERSION]}},
    "GET /v2": {200: {"version": VERSION_WHOLE}},
    "GET /v2.1": {200: {"version": VERSION_WHOLE}},
    "GET /v2.1/extensions": {200: {"extensions": [EXTENSION]}},
    "GET /v2.1/extensions/{alias}": {200: {"extension": EXTENSION}},
    "GET /v2.1/flavors": {200: {"flavors": [FLAVOR_BRIEF], "flavors_links?": LINKS}},
    "POST /v2.1/flavors": {200: {"flavor": FLAVOR}},
    "GET /v2.1/flavors/detail": {200: {"flavors": [FLAVOR], "flavors_links?": LINKS}},
    "GET /v2.1/flavors/{flavor_id}": {200: {"flavor": FLAVOR}},
    "PUT /v2.1/flavors/{flavor_id}": {200: {"flavor": FLAVOR}},
    "POST /v2.1/flavors/{flavor_id}/action": ACCESS,
    "GET /v2.1/flavors/{flavor_id}/os-flavor-access": ACCESS,
    "GET /v2.1/flavors/{flavor_id}/os-extra_specs": SPECS,
    "POST /v2.1/flavors/{flavor_id}/os-extra_specs": SPECS,
    "GET /v2.1/flavors/{flavor_id}/os-extra_specs/{key}": {200: STRINGS},
    "PUT /v2.1/flavors/{flavor_id}/os-extra_specs/{key}": {200: STRINGS},
    "GET /v2.1/images": {200: {"images": [IMAGE_BRIEF], "images_links?": LINKS}},
    "GET /v2.1/images/detail": {200: {"images": [IMAGE], "images_links?": LINKS}},
    "GET /v2.1/images/{image_id}": {200: {"image": IMAGE}},
    **{f"{method} /v2.1/images/{{image_id}}/metadata": METADATA for method in ("GET", "POST", "PUT")},
    **{f"{method} /v2.1/images/{{image_id}}/metadata/{{key}}": {200: {"meta": STRINGS}} for method in ("GET", "PUT")},
    "GET /v2.1/limits": {200: {"limits": {"rate": [object], "absolute": ABSOLUTE}}},
    "GET /v2.1/os-aggregates": {200: {"aggregates": [AGGREGATE]}},
    "POST /v2.1/os-aggregates": {200: {"aggregate": AGGREGATE_MADE}},
    "GET /v2.1/os-aggregates/{aggregate_id}": {200: {"aggregate": AGGREGATE}},
    "PUT /v2.1/os-aggregates/{aggregate_id}": {200: {"aggregate": AGGREGATE}},
    "POST /v2.1/os-aggregates/{aggregate_id}/action": {200: {"aggregate": AGGREGATE}},
    "GET /v2.1/os-availability-zone": {200: {"availabilityZoneInfo": [ZONE | {"hosts": None}]}},
    "GET /v2.1/os-availability-zone/detail": {200: {"availabilityZoneInfo": [ZONE | {"hosts": maybe(SERVICES_OF_ZONE)}]}},
    "GET /v2.1/os-floating-ip-pools": {200: {"floating_ip_pools": [{"name": str}]}},
    "GET /v2.1/os-floating-ips": {200: {"floating_ips": [FLOATING]}},
    "POST /v2.1/os-floating-ips": {200: {"floating_ip": FLOATING}},
    "GET /v2.1/os-floating-ips/{floating_ip_id}": {200: {"floating_ip": FLOATING}},
    "GET /v2.1/os-hosts": {200: {"hosts": [{"host_name": str, "service": str, "zone": str}]}},
    "GET /v2.1/os-hosts/{host_name}": {200: {"host": [HOST_OF]}},
    "PUT /v2.1/os-hosts/{host_name}": {200: {"host": str, "status?": str, "maintenance_mode?": str}},
    "GET /v2.1/os-hypervisors": {200: {"hypervisors": [HYPERVISOR_BRIEF], "hypervisors_links?": LINKS}},
    "GET /v2.1/os-hypervisors/detail": {200: {"hypervisors": [HYPERVISOR], "hypervisors_links?": LINKS}},
    "GET /v2.1/os-hypervisors/statistics": {200: {"hypervisor_statistics": dict.fromkeys(("count", *USAGE), int)}},
    "GET /v2.1/os-hypervisors/{hypervisor_id}": {200: {"hypervisor": HYPERVISOR}},
    "GET /v2.1/os-hypervisors/{hypervisor_id}/search": {200: {"hypervisors": [HYPERVISOR_BRIEF]}},
    "GET /v2.1/os-hypervisors/{hypervisor_id}/servers": {
        200: {"hypervisors": [HYPERVISOR_BRIEF | {"servers?": [{"name": str, "uuid": UUID}]}]},
    },
    "GET /v2.1/os-hypervisors/{hypervisor_id}/uptime": {200: {"hypervisor": HYPERVISOR_BRIEF | {"uptime": str}}},
    "GET /v2.1/os-instance_usage_audit_log": {200: {"instance_usage_audit_logs": AUDIT}},
    "GET /v2.1/os-instance_usage_audit_log/{before}": {200: {"instance_usage_audit_log": AUDIT}},
    "GET /v2.1/os-keypairs": {200: {"keypairs": [{"keypair": KEY_LISTED}], "keypairs_links@2.35?": LINKS}},
    "POST /v2.1/os-keypairs": {200: {"keypair": KEY_MADE}, 201: {"keypair": KEY_MADE}},
    "GET /v2.1/os-keypairs/{name}": {200: {"keypair": KEY}},
    "GET /v2.1/os-migrations": {200: {"migrations": [MIGRATION], "migrations_links@2.59?": LINKS}},
    "GET /v2.1/os-networks": {200: {"networks": [NETWORK | CIDRS | ADMIN_ONLY]}},
    "GET /v2.1/os-networks/{network_id}": {200: {"network": NETWORK | CIDRS | ADMIN_ONLY}},
    "GET /v2.1/os-tenant-networks": {200: {"networks": [NETWORK | {"cidr": str}]}},
    "GET /v2.1/os-tenant-networks/{network_id}": {200: {"network": NETWORK | {"cidr": str}}},
    "GET /v2.1/os-quota-class-sets/{class_name}": {200: {"quota_class_set": CLASS_QUOTAS | {"id": str}}},
    "PUT /v2.1/os-quota-class-sets/{class_name}": {200: {"quota_class_set": CLASS_QUOTAS}},
    "GET /v2.1/os-quota-sets/{project_id}": {200: {"quota_set": QUOTAS_OF}},
    "PUT /v2.1/os-quota-sets/{project_id}": {200: {"quota_set": QUOTAS}},
    "GET /v2.1/os-quota-sets/{project_id}/defaults": {200: {"quota_set": QUOTAS_OF}},
    "GET /v2.1/os-quota-sets/{project_id}/detail": {200: {"quota_set": QUOTAS_USED}},
    "POST /v2.1/os-security-group-rules": {200: {"security_group_rule": RULE_OF_GROUP}},
    "GET /v2.1/os-security-groups": {200: {"security_groups": [SECURITY_GROUP]}},
    "POST /v2.1/os-security-groups": {200: {"security_group": SECURITY_GROUP}},
    "GET /v2.1/os-security-groups/{group_id}": {200: {"security_group": SECURITY_GROUP}},
    "PUT /v2.1/os-security-groups/{group_id}": {200: {"security_group": SECURITY_GROUP}},
    "POST /v2.1/os-server-external-events": {200: {"events": [HAPPENED]}, 207: {"events": [HAPPENED]}},
    "GET /v2.1/os-server-groups": {200: {"server_groups": [GROUP]}},
    "POST /v2.1/os-server-groups": {200: {"server_group": GROUP}},
    "GET /v2.1/os-server-groups/{group_id}": {200: {"server_group": GROUP}},
    "GET /v2.1/os-services": {200: {"services": [SERVICE]}},
    "PUT /v2.1/os-services/{service_id}": {200: OneOf({"service": SERVICE_OLD}, {"service": SERVICE})},
    "GET /v2.1/os-simple-tenant-usage": {200: {"tenant_usages": [USED], "tenant_usages_links@2.40?": LINKS}},
    "GET /v2.1/os-simple-tenant-usage/{project_id}": {
        200: {"tenant_usage": OneOf({}, USED), "tenant_usage_links@2.40?": LINKS},
    },
}
