"""The routes and rights of what is around servers: groups, aggregates, hosts, usage, migrations, classes of quotas, events."""

from kilonova.api.call import Routes
from kilonova.api.compute import (
    aggregates,
    audit_log,
    extensions,
    external_events,
    migrations,
    old_hosts,
    quota_classes,
    server_diagnostics,
    server_facts,
    server_groups,
    tenant_usage,
)
from kilonova.api.compute.spoken import since, until
from kilonova.api.rights import Right, Rights

cache_images = since(81, aggregates.cache_images)
migrations_of_server = since(23, migrations.of_server)
migration_show = since(23, migrations.show)
migration_abort = since(24, migrations.abort)
migration_act = since(22, migrations.act)
topology = since(78, server_facts.topology)
hosts_list = until(42, old_hosts.index)
host_show = until(42, old_hosts.show)
host_update = until(42, old_hosts.update)
host_power = until(42, old_hosts.power)

SERVER = "/v2.1/servers/{server_id}"
AGGREGATE = "/v2.1/os-aggregates/{aggregate_id}"
HOST = "/v2.1/os-hosts/{host_name}"

ROUTES: Routes = {
    SERVER + "/migrations": {"GET": migrations_of_server},
    SERVER + "/migrations/{migration_id}": {"GET": migration_show, "DELETE": migration_abort},
    SERVER + "/migrations/{migration_id}/action": {"POST": migration_act},
    SERVER + "/os-server-password": {"GET": server_facts.password, "DELETE": server_facts.clear_password},
    SERVER + "/topology": {"GET": topology},
    SERVER + "/diagnostics": {"GET": server_diagnostics.show},
    "/v2.1/os-console-auth-tokens/{token}": {"GET": server_facts.console_behind_token},
    "/v2.1/os-migrations": {"GET": migrations.index},
    "/v2.1/os-server-groups": {"GET": server_groups.index, "POST": server_groups.create},
    "/v2.1/os-server-groups/{group_id}": {"GET": server_groups.show, "DELETE": server_groups.delete},
    "/v2.1/os-server-external-events": {"POST": external_events.create},
    "/v2.1/os-simple-tenant-usage": {"GET": tenant_usage.index},
    "/v2.1/os-simple-tenant-usage/{project_id}": {"GET": tenant_usage.show},
    "/v2.1/os-instance_usage_audit_log": {"GET": audit_log.index},
    "/v2.1/os-instance_usage_audit_log/{before}": {"GET": audit_log.show},
    "/v2.1/os-quota-class-sets/{class_name}": {"GET": quota_classes.show, "PUT": quota_classes.update},
    "/v2.1/os-aggregates": {"GET": aggregates.index, "POST": aggregates.create},
    AGGREGATE: {"GET": aggregates.show, "PUT": aggregates.update, "DELETE": aggregates.delete},
    AGGREGATE + "/action": {"POST": aggregates.act},
    AGGREGATE + "/images": {"POST": cache_images},
    "/v2.1/os-hosts": {"GET": hosts_list},
    HOST: {"GET": host_show, "PUT": host_update},
    HOST + "/startup": {"GET": host_power},
    HOST + "/shutdown": {"GET": host_power},
    HOST + "/reboot": {"GET": host_power},
    "/v2.1/extensions": {"GET": extensions.index},
    "/v2.1/extensions/{alias}": {"GET": extensions.show},
}

RIGHTS: Rights = {
    migrations_of_server: Right.ADMIN,
    migration_show: Right.ADMIN,
    migration_abort: Right.ADMIN,
    migration_act: Right.ADMIN,
    migrations.index: Right.ADMIN,
    server_facts.password: Right.READER,
    server_facts.clear_password: Right.MEMBER,
    server_facts.console_behind_token: Right.ADMIN,
    topology: Right.READER,
    server_diagnostics.show: Right.ADMIN,
    server_groups.index: Right.READER,
    server_groups.show: Right.READER,
    server_groups.create: Right.MEMBER,
    server_groups.delete: Right.MEMBER,
    external_events.create: Right.ADMIN,
    tenant_usage.index: Right.ADMIN,
    tenant_usage.show: Right.READER,
    audit_log.index: Right.ADMIN,
    audit_log.show: Right.ADMIN,
    quota_classes.show: Right.ADMIN,
    quota_classes.update: Right.ADMIN,
    aggregates.index: Right.ADMIN,
    aggregates.show: Right.ADMIN,
    aggregates.create: Right.ADMIN,
    aggregates.update: Right.ADMIN,
    aggregates.delete: Right.ADMIN,
    aggregates.act: Right.ADMIN,
    cache_images: Right.ADMIN,
    hosts_list: Right.ADMIN,
    host_show: Right.ADMIN,
    host_update: Right.ADMIN,
    host_power: Right.ADMIN,
    extensions.index: Right.TOKEN,
    extensions.show: Right.TOKEN,
}
