"""What the network service answers, route by route. A route that is not here answers with no body."""

from tests.api.shapes.notation import LINKS, TIME_Z, UUID, Map, OneOf, Shape, Text, maybe
from tests.api.shapes.tables import Answers


def error(status: int) -> Shape:
    """Neutron's."""
    return {"NeutronError": {"type": Text(r"\w+"), "message": str, "detail": str}}


ADDRESS = Text(r"[0-9.]+|[0-9a-f:.]+")
CIDR = Text(r"[0-9a-f:.]+/\d+")
MAC = Text(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")
STATUS = OneOf("ACTIVE", "DOWN", "BUILD", "ERROR", "N/A")
OWNED = {"project_id": str, "tenant_id": str}
STANDARD = OWNED | {"description": str, "created_at": TIME_Z, "updated_at": TIME_Z, "revision_number": int}
TAGGED = STANDARD | {"tags": [str]}
FIXED = {"subnet_id": UUID, "ip_address": ADDRESS}

NETWORK = TAGGED | {
    "id": UUID,
    "name": str,
    "admin_state_up": bool,
    "status": STATUS,
    "subnets": [UUID],
    "shared": bool,
    "router:external": bool,
    "is_default": bool,
    "mtu": int,
    "port_security_enabled": bool,
}
SUBNET = TAGGED | {
    "id": UUID,
    "name": str,
    "network_id": UUID,
    "ip_version": OneOf(4, 6),
    "cidr": CIDR,
    "gateway_ip": maybe(ADDRESS),
    "enable_dhcp": bool,
    "ipv6_ra_mode": str | None,
    "ipv6_address_mode": str | None,
    "allocation_pools": [{"start": ADDRESS, "end": ADDRESS}],
    "dns_nameservers": [str],
    "host_routes": [{"destination": CIDR, "nexthop": ADDRESS}],
    "subnetpool_id": str | None,
}
SUBNETPOOL = TAGGED | {
    "id": UUID,
    "name": str,
    "ip_version": OneOf(4, 6),
    "prefixes": [CIDR],
    "min_prefixlen": Text(r"\d+"),
    "max_prefixlen": Text(r"\d+"),
    "default_prefixlen": Text(r"\d+"),
    "default_quota": int | None,
    "shared": bool,
    "is_default": bool,
    "address_scope_id": maybe(UUID),
}
ADDRESS_SCOPE = OWNED | {"id": UUID, "name": str, "ip_version": OneOf(4, 6), "shared": bool}
PORT = TAGGED | {
    "id": UUID,
    "name": str,
    "network_id": UUID,
    "admin_state_up": bool,
    "status": STATUS,
    "mac_address": MAC,
    "fixed_ips": [FIXED],
    "device_id": str,
    "device_owner": str,
    "security_groups": [UUID],
    "allowed_address_pairs": [{"ip_address": str, "mac_address": MAC}],
    "extra_dhcp_opts": [{"opt_name": str, "opt_value": str | None, "ip_version": OneOf(4, 6)}],
    "port_security_enabled": bool,
    "binding:vnic_type": str,
    "binding:host_id?": str,
    "binding:profile?": Map(object),
    "binding:vif_type?": str,
    "binding:vif_details?": Map(object),
}
ROUTER = TAGGED | {
    "id": UUID,
    "name": str,
    "admin_state_up": bool,
    "status": STATUS,
    "external_gateway_info": maybe({"network_id": UUID, "enable_snat": bool, "external_fixed_ips": [FIXED]}),
    "routes": [{"destination": CIDR, "nexthop": ADDRESS}],
    "availability_zone_hints": [str],
    "availability_zones": [str],
    "flavor_id": None,
    "distributed?": bool,
    "ha?": bool,
}
INTERFACE = OWNED | {"id": UUID, "port_id": UUID, "network_id": UUID, "subnet_id": UUID, "subnet_ids": [UUID]}
FLOATING_IP = TAGGED | {
    "id": UUID,
    "floating_network_id": UUID,
    "floating_ip_address": ADDRESS,
    "fixed_ip_address": maybe(ADDRESS),
    "port_id": maybe(UUID),
    "port_details": maybe(
        {
            "name": str,
            "network_id": UUID,
            "mac_address": MAC,
            "admin_state_up": bool,
            "status": STATUS,
            "device_id": str,
            "device_owner": str,
        }
    ),
    "router_id": maybe(UUID),
    "status": STATUS,
}
RULE = STANDARD | {
    "id": UUID,
    "security_group_id": UUID,
    "direction": OneOf("ingress", "egress"),
    "ethertype": OneOf("IPv4", "IPv6"),
    "protocol": str | None,
    "port_range_min": int | None,
    "port_range_max": int | None,
    "remote_group_id": maybe(UUID),
    "remote_ip_prefix": maybe(CIDR),
}
GROUP = TAGGED | {"id": UUID, "name": str, "stateful": bool, "security_group_rules": [RULE]}
COUNTED = ("network", "subnet", "port", "security_group", "security_group_rule", "router", "floatingip", "subnetpool")
QUOTA = dict.fromkeys(COUNTED, int)
QUOTA_USED = {name: {"limit": int, "used": int, "reserved": int} for name in COUNTED}
AVAILABILITY = OWNED | {
    "network_id": UUID,
    "network_name": str,
    "total_ips": int,
    "used_ips": int,
    "subnet_ip_availability": [
        {"subnet_id": UUID, "subnet_name": str, "cidr": CIDR, "ip_version": OneOf(4, 6), "total_ips": int, "used_ips": int}
    ],
}
AGENT = {
    "id": str,
    "agent_type": str,
    "binary": str,
    "host": str,
    "topic": str,
    "availability_zone": str | None,
    "alive": bool,
    "admin_state_up": bool,
    "configurations": Map(object),
    "resources_synced": bool | None,
    "created_at": str,
    "started_at": str,
    "heartbeat_timestamp": str,
}
EXTENSION = {"alias": str, "name": str, "description": str, "updated": str, "links": [object]}
WHOSE = {"tenant": OWNED}


def _noun(path: str, gap: str, one: str, many: str, shape: Shape) -> Answers:
    """The five requests of a noun; several may be made in one."""
    single = {one: shape}
    return {
        f"GET {path}": {200: {many: [shape], f"{many}_links?": LINKS}},
        f"POST {path}": {201: OneOf(single, {many: [shape]})},
        f"GET {path}/{{{gap}}}": {200: single},
        f"PUT {path}/{{{gap}}}": {200: single},
    }


def _tags(nouns: str, gap: str) -> Answers:
    path = f"/v2.0/{nouns}/{{{gap}}}/tags"
    return {f"GET {path}": {200: {"tags": [str]}}, f"PUT {path}": {200: {"tags": [str]}}}


SHAPES: Answers = {
    "GET /": {200: {"versions": [{"id": "v2.0", "status": "CURRENT", "updated": str, "links": LINKS}]}},
    "GET /v2.0": {200: {"resources": [{"name": str, "collection": str, "links": LINKS}]}},
    **_noun("/v2.0/networks", "network_id", "network", "networks", NETWORK),
    **_noun("/v2.0/subnets", "subnet_id", "subnet", "subnets", SUBNET),
    **_noun("/v2.0/subnetpools", "subnetpool_id", "subnetpool", "subnetpools", SUBNETPOOL),
    **_noun("/v2.0/address-scopes", "address_scope_id", "address_scope", "address_scopes", ADDRESS_SCOPE),
    **_noun("/v2.0/ports", "port_id", "port", "ports", PORT),
    **_noun("/v2.0/routers", "router_id", "router", "routers", ROUTER),
    **_noun("/v2.0/floatingips", "floatingip_id", "floatingip", "floatingips", FLOATING_IP),
    **_noun("/v2.0/security-groups", "security_group_id", "security_group", "security_groups", GROUP),
    "GET /v2.0/security-group-rules": {200: {"security_group_rules": [RULE], "security_group_rules_links?": LINKS}},
    "POST /v2.0/security-group-rules": {201: OneOf({"security_group_rule": RULE}, {"security_group_rules": [RULE]})},
    "GET /v2.0/security-group-rules/{rule_id}": {200: {"security_group_rule": RULE}},
    "PUT /v2.0/routers/{router_id}/add_router_interface": {200: INTERFACE},
    "PUT /v2.0/routers/{router_id}/remove_router_interface": {200: INTERFACE},
    "PUT /v2.0/routers/{router_id}/add_extraroutes": {200: {"router": ROUTER}},
    "PUT /v2.0/routers/{router_id}/remove_extraroutes": {200: {"router": ROUTER}},
    **_tags("networks", "network_id"),
    **_tags("subnets", "subnet_id"),
    **_tags("subnetpools", "subnetpool_id"),
    **_tags("ports", "port_id"),
    **_tags("routers", "router_id"),
    **_tags("floatingips", "floatingip_id"),
    **_tags("security-groups", "security_group_id"),
    "GET /v2.0/quotas": {200: {"quotas": [QUOTA | OWNED]}},
    "GET /v2.0/quotas/tenant": {200: WHOSE},
    "GET /v2.0/quotas/project": {200: WHOSE},
    "GET /v2.0/quotas/{project_id}": {200: {"quota": QUOTA}},
    "PUT /v2.0/quotas/{project_id}": {200: {"quota": QUOTA}},
    "GET /v2.0/quotas/{project_id}/default": {200: {"quota": QUOTA}},
    "GET /v2.0/quotas/{project_id}/details": {200: {"quota": QUOTA_USED}},
    "GET /v2.0/quotas/{project_id}/details.json": {200: {"quota": QUOTA_USED}},
    "GET /v2.0/extensions": {200: {"extensions": [EXTENSION]}},
    "GET /v2.0/extensions/{alias}": {200: {"extension": EXTENSION}},
    "GET /v2.0/network-ip-availabilities": {200: {"network_ip_availabilities": [AVAILABILITY]}},
    "GET /v2.0/network-ip-availabilities/{network_id}": {200: {"network_ip_availability": AVAILABILITY}},
    "GET /v2.0/service-providers": {200: {"service_providers": [{"service_type": str, "name": str, "default": bool}]}},
    "GET /v2.0/agents": {200: {"agents": [AGENT]}},
    "GET /v2.0/agents/{agent_id}": {200: {"agent": AGENT}},
    "GET /v2.0/availability_zones": {
        200: {"availability_zones": [{"name": str, "resource": OneOf("network", "router"), "state": str}]},
    },
}
