"""From a URL of the compute API to its function, in one look."""

from kilonova.api.call import Routes
from kilonova.api.compute import (
    flavor_specs,
    flavors,
    hypervisors,
    image_proxy,
    instance_actions,
    interfaces,
    keypairs,
    quotas,
    routes_around,
    routes_proxies,
    server_actions,
    server_list,
    server_parts,
    servers,
    services,
    versions,
    volume_attachments,
    zones,
)
from kilonova.api.compute.spoken import since, until

tags_list = since(26, server_parts.tags)
tags_replace = since(26, server_parts.replace_tags)
tags_delete = since(26, server_parts.delete_tags)
tag_show = since(26, server_parts.tag)
tag_add = since(26, server_parts.add_tag)
tag_delete = since(26, server_parts.delete_tag)
volumes_boot = until(102, servers.create)
flavor_update = since(55, flavors.update)
hypervisor_statistics = until(87, hypervisors.statistics)
hypervisor_uptime = until(87, hypervisors.uptime)
hypervisor_search = until(52, hypervisors.search)
hypervisor_servers = until(52, hypervisors.servers)

SERVER = "/v2.1/servers/{server_id}"
FLAVOR = "/v2.1/flavors/{flavor_id}"
QUOTAS = "/v2.1/os-quota-sets/{project_id}"
HYPERVISOR = "/v2.1/os-hypervisors/{hypervisor_id}"

_V2_1: Routes = {
    **routes_around.ROUTES,
    **routes_proxies.ROUTES,
    "/v2.1/servers": {"GET": server_list.index, "POST": servers.create},
    "/v2.1/servers/detail": {"GET": server_list.detail},
    SERVER: {"GET": servers.show, "PUT": servers.update, "DELETE": servers.delete},
    SERVER + "/action": {"POST": server_actions.act},
    SERVER + "/ips": {"GET": server_parts.addresses},
    SERVER + "/ips/{network_name}": {"GET": server_parts.addresses_of_network},
    SERVER + "/metadata": {
        "GET": server_parts.metadata,
        "POST": server_parts.add_metadata,
        "PUT": server_parts.replace_metadata,
    },
    SERVER + "/metadata/{key}": {
        "GET": server_parts.metadata_item,
        "PUT": server_parts.set_metadata_item,
        "DELETE": server_parts.delete_metadata_item,
    },
    SERVER + "/os-volume_attachments": {"GET": volume_attachments.index, "POST": volume_attachments.create},
    SERVER + "/os-volume_attachments/{volume_id}": {
        "GET": volume_attachments.show,
        "PUT": volume_attachments.update,
        "DELETE": volume_attachments.delete,
    },
    SERVER + "/os-interface": {"GET": interfaces.index, "POST": interfaces.create},
    SERVER + "/os-interface/{port_id}": {"GET": interfaces.show, "DELETE": interfaces.delete},
    SERVER + "/tags": {"GET": tags_list, "PUT": tags_replace, "DELETE": tags_delete},
    SERVER + "/tags/{tag}": {"GET": tag_show, "PUT": tag_add, "DELETE": tag_delete},
    SERVER + "/os-instance-actions": {"GET": instance_actions.index},
    SERVER + "/os-instance-actions/{request_id}": {"GET": instance_actions.show},
    "/v2.1/os-volumes_boot": {"POST": volumes_boot},
    "/v2.1/flavors": {"GET": flavors.index, "POST": flavors.create},
    "/v2.1/flavors/detail": {"GET": flavors.detail},
    FLAVOR: {"GET": flavors.show, "PUT": flavor_update, "DELETE": flavors.delete},
    FLAVOR + "/action": {"POST": flavors.act},
    FLAVOR + "/os-flavor-access": {"GET": flavors.access},
    FLAVOR + "/os-extra_specs": {"GET": flavor_specs.index, "POST": flavor_specs.create},
    FLAVOR + "/os-extra_specs/{key}": {
        "GET": flavor_specs.show,
        "PUT": flavor_specs.update,
        "DELETE": flavor_specs.delete,
    },
    "/v2.1/os-keypairs": {"GET": keypairs.index, "POST": keypairs.create},
    "/v2.1/os-keypairs/{name}": {"GET": keypairs.show, "DELETE": keypairs.delete},
    "/v2.1/limits": {"GET": quotas.limits},
    QUOTAS: {"GET": quotas.show, "PUT": quotas.update, "DELETE": quotas.delete},
    QUOTAS + "/defaults": {"GET": quotas.defaults},
    QUOTAS + "/detail": {"GET": quotas.detail},
    "/v2.1/os-availability-zone": {"GET": zones.index},
    "/v2.1/os-availability-zone/detail": {"GET": zones.detail},
    "/v2.1/os-services": {"GET": services.index},
    "/v2.1/os-services/{service_id}": {"PUT": services.update, "DELETE": services.delete},
    "/v2.1/os-hypervisors": {"GET": hypervisors.index},
    "/v2.1/os-hypervisors/detail": {"GET": hypervisors.detail},
    "/v2.1/os-hypervisors/statistics": {"GET": hypervisor_statistics},
    HYPERVISOR: {"GET": hypervisors.show},
    HYPERVISOR + "/uptime": {"GET": hypervisor_uptime},
    HYPERVISOR + "/search": {"GET": hypervisor_search},
    HYPERVISOR + "/servers": {"GET": hypervisor_servers},
    **image_proxy.ROUTES,
}

ROUTES: Routes = {
    "": {"GET": versions.root},
    "/v2": {"GET": versions.v2_0},
    "/v2.1": {"GET": versions.v2_1},
    **_V2_1,
    **{path.replace("/v2.1", "/v2", 1): methods for path, methods in _V2_1.items()},
}
"""``/v2`` is 2.1 by an older name."""
