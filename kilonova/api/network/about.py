"""What this network service is: versions, resources, extensions, agents, zones. Only what is really there is listed."""

from collections.abc import Mapping, Sequence

from kilonova.api.call import Answer, Call
from kilonova.api.network import views
from kilonova.errors import NotFound
from kilonova.model.network import Agent
from kilonova.model.router import ZONE

EXTENSIONS: Mapping[str, tuple[str, str]] = {
    "address-scope": ("Address scope", "Address scopes extension."),
    "agent": ("agent", "The agent management extension."),
    "allowed-address-pairs": ("Allowed Address Pairs", "Provides allowed address pairs"),
    "availability_zone": ("Availability Zone", "The availability zone extension."),
    "binding": ("Port Binding", "Expose port bindings of a virtual port to external application"),
    "external-net": ("Neutron external network", "Adds external network attribute to network resource."),
    "default-subnetpools": ("Default Subnetpools", "Provides ability to mark and use a subnetpool as the default."),
    "ext-gw-mode": ("Neutron L3 Configurable external gateway mode", "Extension of the router abstraction for SNAT"),
    "extra_dhcp_opt": ("Neutron Extra DHCP options", "Extra options configuration for DHCP"),
    "extraroute": ("Neutron Extra Route", "Extra routes configuration for L3 router"),
    "extraroute-atomic": ("Atomically add/remove extra routes", "Edit extra routes of a router on server side"),
    "filter-validation": ("Filter parameters validation", "Provides validation on filter parameters."),
    "fip-port-details": ("Floating IP Port Details Extension", "Add port_details attribute to Floating IP resource"),
    "ip-substring-filtering": ("IP address substring filtering", "Provides IP address substring filtering when listing ports"),
    "net-mtu": ("Network MTU", "Provides MTU attribute for a network resource."),
    "net-mtu-writable": ("Network MTU (writable)", "Provides a writable MTU attribute for a network resource."),
    "network-ip-availability": ("Network IP Availability", "Provides IP availability data for each network and subnet."),
    "pagination": ("Pagination support", "Extension that indicates that pagination is enabled."),
    "port-security": ("Port Security", "Provides port security"),
    "project-id": ("project_id field enabled", "Extension that indicates that project_id field is enabled."),
    "quota_details": ("Quota details management support", "Expose functions for quotas usage statistics per project"),
    "quotas": ("Quota management support", "Expose functions for quotas management per project"),
    "revision-if-match": ("If-Match constraints based on revision_number", "Constrain updates and deletes by revision."),
    "router": ("Neutron L3 Router", "Router abstraction for basic L3 forwarding between L2 Neutron networks and NAT."),
    "router_availability_zone": ("Router Availability Zone", "Availability zone support for router."),
    "security-group": ("security-group", "The security groups extension."),
    "service-type": ("Neutron Service Type Management", "API for retrieving service providers for Neutron services"),
    "sorting": ("Sorting support", "Extension that indicates that sorting is enabled."),
    "standard-attr-description": ("standard-attr-description", "Extension to add descriptions to standard attributes"),
    "standard-attr-revisions": ("Resource revision numbers", "This extension will display the revision number of resources."),
    "standard-attr-tag": ("Tag support for resources with standard attribute", "Enables to set tag on resources."),
    "standard-attr-timestamp": ("Resource timestamps", "Adds created_at and updated_at fields to resources."),
    "subnet_allocation": ("Subnet Allocation", "Enables allocation of subnets from a subnet pool"),
    "stateful-security-group": ("Stateful security group", "Indicates if the security group is stateful or not"),
}
"""Alias → (name, description)."""
UPDATED = "2026-01-01T00:00:00-00:00"
COLLECTIONS: Mapping[str, str] = {
    "network": "networks",
    "subnet": "subnets",
    "port": "ports",
    "security_group": "security-groups",
    "security_group_rule": "security-group-rules",
    "subnetpool": "subnetpools",
    "address_scope": "address-scopes",
    "router": "routers",
    "floatingip": "floatingips",
    "quota": "quotas",
    "agent": "agents",
    "availability_zone": "availability_zones",
    "extension": "extensions",
}


async def list_versions(call: Call) -> Answer:
    version = {
        "id": "v2.0",
        "status": "CURRENT",
        "updated": "2016-01-21T00:00:00Z",
        "links": [{"rel": "self", "href": f"{call.world.public_url}/network/v2.0/"}],
    }
    return Answer(200, {"versions": [version]})


async def list_resources(call: Call) -> Answer:
    root = f"{call.world.public_url}/network/v2.0"
    resources = [
        {"name": name, "collection": collection, "links": [{"rel": "self", "href": f"{root}/{collection}"}]}
        for name, collection in COLLECTIONS.items()
    ]
    return Answer(200, {"resources": resources})


async def list_extensions(call: Call) -> Answer:
    return Answer(200, {"extensions": [_extension(alias) for alias in EXTENSIONS]})


async def show_extension(call: Call) -> Answer:
    alias = call.path["alias"]
    if alias not in EXTENSIONS:
        raise NotFound(f"Extension with alias {alias[:64]} does not exist", kind="ExtensionNotFound")
    return Answer(200, {"extension": _extension(alias)})


async def list_agents(call: Call) -> Answer:
    found = await _agents(call)
    wanted = {
        name: values for name, values in call.query.items() if name in ("agent_type", "binary", "host", "availability_zone", "id")
    }
    shown = [views.agent(one) for one in found]
    return Answer(200, {"agents": [one for one in shown if all(one[name] in values for name, values in wanted.items())]})


async def show_agent(call: Call) -> Answer:
    agent_id = call.path["agent_id"]
    found = await _agents(call)
    for one in found:
        if one.id == agent_id:
            return Answer(200, {"agent": views.agent(one)})
    raise NotFound(f"Agent {agent_id[:64]} could not be found.", kind="AgentNotFound")


async def list_service_providers(call: Call) -> Answer:
    """One, and it makes routers."""
    provider = {"service_type": "L3_ROUTER_NAT", "name": "kilonova", "default": True}
    return Answer(200, {"service_providers": [provider]})


async def _agents(call: Call) -> Sequence[Agent]:
    """Agents are for admins; whoever else asks sees none, as in Neutron."""
    return await call.world.ledger.read(lambda books: books.networks.agents.agents()) if call.who.is_admin else ()


async def list_availability_zones(call: Call) -> Answer:
    """Networks reach every zone, so there is one."""
    zones = [{"name": ZONE, "resource": resource, "state": "available"} for resource in ("network", "router")]
    wanted = {name: values for name, values in call.query.items() if name in ("name", "resource", "state")}
    return Answer(200, {"availability_zones": [one for one in zones if all(one[name] in wanted[name] for name in wanted)]})


def _extension(alias: str) -> dict[str, object]:
    name, description = EXTENSIONS[alias]
    return {"alias": alias, "name": name, "description": description, "updated": UPDATED, "links": []}
