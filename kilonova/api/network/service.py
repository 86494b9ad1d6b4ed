"""The network service: from URL to function in one look, who may call what, and the paths that are not built yet.

Routers and floating addresses are not here: their paths answer 404 and their extensions are not listed.
Security groups are kept and shown, but do not yet filter packets.
"""

from kilonova.api.call import Routes
from kilonova.api.errors import network_body
from kilonova.api.network import about, networks, ports, quotas, security_group_rules, security_groups, subnets, tags
from kilonova.api.network.tags import GROUP_TAGS, NETWORK_TAGS, PORT_TAGS, SUBNET_TAGS, TagHandlers
from kilonova.api.rights import Right, Rights
from kilonova.api.service import Service


def _tag_routes(path: str, of: TagHandlers) -> Routes:
    return {
        f"{path}/tags": {"GET": of.show_all, "PUT": of.replace_all, "DELETE": of.delete_all},
        f"{path}/tags/{{tag}}": {"GET": of.show_one, "PUT": of.add_one, "DELETE": of.delete_one},
    }


ROUTES: Routes = {
    "": {"GET": about.list_versions},
    "/v2.0": {"GET": about.list_resources},
    "/v2.0/networks": {"GET": networks.list_networks, "POST": networks.create_networks},
    "/v2.0/networks/{network_id}": {
        "GET": networks.show_network,
        "PUT": networks.update_network,
        "DELETE": networks.delete_network,
    },
    "/v2.0/subnets": {"GET": subnets.list_subnets, "POST": subnets.create_subnets},
    "/v2.0/subnets/{subnet_id}": {
        "GET": subnets.show_subnet,
        "PUT": subnets.update_subnet,
        "DELETE": subnets.delete_subnet,
    },
    "/v2.0/ports": {"GET": ports.list_ports, "POST": ports.create_ports},
    "/v2.0/ports/{port_id}": {"GET": ports.show_port, "PUT": ports.update_port, "DELETE": ports.delete_port},
    "/v2.0/security-groups": {"GET": security_groups.list_security_groups, "POST": security_groups.create_security_groups},
    "/v2.0/security-groups/{security_group_id}": {
        "GET": security_groups.show_security_group,
        "PUT": security_groups.update_security_group,
        "DELETE": security_groups.delete_security_group,
    },
    "/v2.0/security-group-rules": {"GET": security_group_rules.list_rules, "POST": security_group_rules.create_rules},
    "/v2.0/security-group-rules/{rule_id}": {
        "GET": security_group_rules.show_rule,
        "DELETE": security_group_rules.delete_rule,
    },
    **_tag_routes("/v2.0/networks/{network_id}", NETWORK_TAGS),
    **_tag_routes("/v2.0/subnets/{subnet_id}", SUBNET_TAGS),
    **_tag_routes("/v2.0/ports/{port_id}", PORT_TAGS),
    **_tag_routes("/v2.0/security-groups/{security_group_id}", GROUP_TAGS),
    "/v2.0/quotas": {"GET": quotas.list_quotas},
    "/v2.0/quotas/tenant": {"GET": quotas.show_own_project},
    "/v2.0/quotas/project": {"GET": quotas.show_own_project},
    "/v2.0/quotas/{project_id}": {
        "GET": quotas.show_quota,
        "PUT": quotas.update_quota,
        "DELETE": quotas.delete_quota,
    },
    "/v2.0/quotas/{project_id}/default": {"GET": quotas.show_default_quota},
    "/v2.0/quotas/{project_id}/details": {"GET": quotas.show_quota_details},
    "/v2.0/quotas/{project_id}/details.json": {"GET": quotas.show_quota_details},
    "/v2.0/extensions": {"GET": about.list_extensions},
    "/v2.0/extensions/{alias}": {"GET": about.show_extension},
    "/v2.0/agents": {"GET": about.list_agents},
    "/v2.0/agents/{agent_id}": {"GET": about.show_agent},
    "/v2.0/availability_zones": {"GET": about.list_availability_zones},
}

RIGHTS: Rights = {
    about.list_versions: Right.ANYONE,
    about.list_resources: Right.TOKEN,
    about.list_extensions: Right.TOKEN,
    about.show_extension: Right.TOKEN,
    about.list_availability_zones: Right.TOKEN,
    about.list_agents: Right.ADMIN,
    about.show_agent: Right.ADMIN,
    networks.list_networks: Right.READER,
    networks.show_network: Right.READER,
    networks.create_networks: Right.MEMBER,
    networks.update_network: Right.MEMBER,
    networks.delete_network: Right.MEMBER,
    subnets.list_subnets: Right.READER,
    subnets.show_subnet: Right.READER,
    subnets.create_subnets: Right.MEMBER,
    subnets.update_subnet: Right.MEMBER,
    subnets.delete_subnet: Right.MEMBER,
    ports.list_ports: Right.READER,
    ports.show_port: Right.READER,
    ports.create_ports: Right.MEMBER,
    ports.update_port: Right.MEMBER,
    ports.delete_port: Right.MEMBER,
    security_groups.list_security_groups: Right.READER,
    security_groups.show_security_group: Right.READER,
    security_groups.create_security_groups: Right.MEMBER,
    security_groups.update_security_group: Right.MEMBER,
    security_groups.delete_security_group: Right.MEMBER,
    security_group_rules.list_rules: Right.READER,
    security_group_rules.show_rule: Right.READER,
    security_group_rules.create_rules: Right.MEMBER,
    security_group_rules.delete_rule: Right.MEMBER,
    quotas.list_quotas: Right.ADMIN,
    quotas.show_own_project: Right.READER,
    quotas.show_quota: Right.READER,
    quotas.show_default_quota: Right.READER,
    quotas.show_quota_details: Right.READER,
    quotas.update_quota: Right.ADMIN,
    quotas.delete_quota: Right.ADMIN,
    **dict.fromkeys(tags.readers(), Right.READER),
    **dict.fromkeys(tags.writers(), Right.MEMBER),
}

SERVICE = Service(name="network", mount="/network", routes=ROUTES, rights=RIGHTS, error_body=network_body)
