"""Routers, their interfaces and floating IPs as clients read them."""

from kilonova.api.network.views import View, standard
from kilonova.model.caller import Caller
from kilonova.model.router import ZONE, FloatingIp, Gateway, Interface, Router


def router(one: Router, caller: Caller) -> View:
    """What a router is not (distributed, doubled) is for admins."""
    view = {
        "id": one.id,
        "name": one.name,
        "admin_state_up": one.admin_state_up,
        "status": one.status,
        "external_gateway_info": None if one.gateway is None else _gateway(one.gateway),
        "routes": one.routes,
        "availability_zone_hints": one.availability_zone_hints,
        "availability_zones": [ZONE],
        "flavor_id": None,
        "tags": one.tags,
        **standard(one),
    }
    if caller.is_admin:
        view |= {"distributed": False, "ha": False}
    return view


def interface(one: Interface) -> View:
    return {
        "id": one.id,
        "tenant_id": one.project_id,
        "project_id": one.project_id,
        "port_id": one.port_id,
        "network_id": one.network_id,
        "subnet_id": one.subnet_id,
        "subnet_ids": one.subnet_ids,
    }


def floating_ip(one: FloatingIp) -> View:
    return {
        "id": one.id,
        "floating_network_id": one.floating_network_id,
        "floating_ip_address": one.floating_ip_address,
        "fixed_ip_address": one.fixed_ip_address,
        "port_id": one.port_id,
        "port_details": one.port_details,
        "router_id": one.router_id,
        "status": one.status,
        "tags": one.tags,
        **standard(one),
    }


def _gateway(one: Gateway) -> View:
    return {
        "network_id": one.network_id,
        "enable_snat": one.enable_snat,
        "external_fixed_ips": one.external_fixed_ips,
    }
