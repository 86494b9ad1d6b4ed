"""The routes and rights of what compute passed on to other services until 2.35; and a server's security groups, which stayed."""

from kilonova.api.call import Answer, Call, Routes
from kilonova.api.compute import floating_ips, old_networks, security_groups
from kilonova.api.compute.spoken import until
from kilonova.api.rights import Right, Rights
from kilonova.errors import NotFound, Unsupported

PROXIES_UNTIL = 35

groups_list = until(PROXIES_UNTIL, security_groups.index)
group_create = until(PROXIES_UNTIL, security_groups.create)
group_show = until(PROXIES_UNTIL, security_groups.show)
group_update = until(PROXIES_UNTIL, security_groups.update)
group_delete = until(PROXIES_UNTIL, security_groups.delete)
rule_create = until(PROXIES_UNTIL, security_groups.create_rule)
rule_delete = until(PROXIES_UNTIL, security_groups.delete_rule)
networks_list = until(PROXIES_UNTIL, old_networks.index)
network_show = until(PROXIES_UNTIL, old_networks.show)
tenant_networks_list = until(PROXIES_UNTIL, old_networks.index_of_project)
tenant_network_show = until(PROXIES_UNTIL, old_networks.show_of_project)

pools_list = until(PROXIES_UNTIL, floating_ips.pools)
floating_list = until(PROXIES_UNTIL, floating_ips.index)
floating_create = until(PROXIES_UNTIL, floating_ips.create)
floating_show = until(PROXIES_UNTIL, floating_ips.show)
floating_delete = until(PROXIES_UNTIL, floating_ips.delete)


async def _baremetal(call: Call) -> Answer:
    """There is no bare metal service behind this cloud."""
    raise Unsupported("There is no bare metal service in this cloud.")


async def _baremetal_node(call: Call) -> Answer:
    raise NotFound(f"Node {call.path['node_id'][:80]} could not be found.")


baremetal_list = until(PROXIES_UNTIL, _baremetal)
baremetal_show = until(PROXIES_UNTIL, _baremetal_node)

GROUP = "/v2.1/os-security-groups/{group_id}"

ROUTES: Routes = {
    "/v2.1/servers/{server_id}/os-security-groups": {"GET": security_groups.of_server},
    "/v2.1/os-security-groups": {"GET": groups_list, "POST": group_create},
    GROUP: {"GET": group_show, "PUT": group_update, "DELETE": group_delete},
    "/v2.1/os-security-group-rules": {"POST": rule_create},
    "/v2.1/os-security-group-rules/{rule_id}": {"DELETE": rule_delete},
    "/v2.1/os-floating-ip-pools": {"GET": pools_list},
    "/v2.1/os-floating-ips": {"GET": floating_list, "POST": floating_create},
    "/v2.1/os-floating-ips/{floating_ip_id}": {"GET": floating_show, "DELETE": floating_delete},
    "/v2.1/os-networks": {"GET": networks_list},
    "/v2.1/os-networks/{network_id}": {"GET": network_show},
    "/v2.1/os-tenant-networks": {"GET": tenant_networks_list},
    "/v2.1/os-tenant-networks/{network_id}": {"GET": tenant_network_show},
    "/v2.1/os-baremetal-nodes": {"GET": baremetal_list},
    "/v2.1/os-baremetal-nodes/{node_id}": {"GET": baremetal_show},
}

RIGHTS: Rights = {
    security_groups.of_server: Right.READER,
    groups_list: Right.READER,
    group_create: Right.MEMBER,
    group_show: Right.READER,
    group_update: Right.MEMBER,
    group_delete: Right.MEMBER,
    rule_create: Right.MEMBER,
    rule_delete: Right.MEMBER,
    pools_list: Right.READER,
    floating_list: Right.READER,
    floating_create: Right.MEMBER,
    floating_show: Right.READER,
    floating_delete: Right.MEMBER,
    networks_list: Right.READER,
    network_show: Right.READER,
    tenant_networks_list: Right.READER,
    tenant_network_show: Right.READER,
    baremetal_list: Right.ADMIN,
    baremetal_show: Right.ADMIN,
}
