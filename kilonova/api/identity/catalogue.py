"""The services this cloud speaks, and the catalogue made of them and of those that were added. Changes nothing."""

import re
import uuid
from typing import NamedTuple

from kilonova.api.call import Call
from kilonova.api.identity.needs import IdentityBook
from kilonova.api.identity.views import View
from kilonova.model.caller import Caller
from kilonova.model.identity import INTERFACES, CatalogService, Endpoint
from kilonova.model.page import EVERYTHING

_NAMESPACE = uuid.UUID("5b3ce6a4-3a14-4d0c-9a52-6f8f7c1f3d10")


class Built(NamedTuple):
    """A service of this program: its type, its name in OpenStack, where it stands below the public address."""

    type: str
    name: str
    path: str
    description: str


BUILT_IN = (
    Built("identity", "keystone", "/identity", "OpenStack Identity"),
    Built("compute", "nova", "/compute/v2.1", "OpenStack Compute"),
    Built("image", "glance", "/image", "OpenStack Image"),
    Built("network", "neutron", "/network", "OpenStack Networking"),
    Built("block-storage", "cinder", "/volume/v3/$(project_id)s", "OpenStack Block Storage"),
    Built("volumev3", "cinderv3", "/volume/v3/$(project_id)s", "OpenStack Block Storage, by the name older clients know"),
    Built("placement", "placement", "/placement", "OpenStack Placement"),
)


def built_in_services() -> list[CatalogService]:
    """Their ids are the same in every cloud and at every start."""
    return [
        CatalogService(id=_stable_id(built.type), type=built.type, name=built.name, description=built.description)
        for built in BUILT_IN
    ]


def built_in_endpoints(call: Call) -> list[Endpoint]:
    """Three a service, all at the one public address."""
    region = call.world.region
    return [
        Endpoint(
            id=_stable_id(built.type, interface, region),
            service_id=_stable_id(built.type),
            interface=interface,
            url=call.world.public_url + built.path,
            region_id=region,
        )
        for built in BUILT_IN
        for interface in INTERFACES
    ]


def all_services(book: IdentityBook) -> list[CatalogService]:
    return built_in_services() + book.services.find((), EVERYTHING)


def all_endpoints(call: Call, book: IdentityBook) -> list[Endpoint]:
    return built_in_endpoints(call) + book.endpoints.find((), EVERYTHING)


def catalogue(call: Call, book: IdentityBook, caller: Caller) -> list[View]:
    """The catalogue as a token shows it: enabled services with their enabled endpoints, addresses filled in for the caller."""
    by_service: dict[str, list[View]] = {}
    for endpoint in all_endpoints(call, book):
        url = _filled_in(endpoint.url, caller)
        if endpoint.enabled and url is not None:
            by_service.setdefault(endpoint.service_id, []).append(
                {
                    "id": endpoint.id,
                    "interface": endpoint.interface,
                    "region_id": endpoint.region_id or None,
                    "region": endpoint.region_id or None,
                    "url": url,
                }
            )
    return [
        {"id": service.id, "type": service.type, "name": service.name, "endpoints": by_service.get(service.id, [])}
        for service in all_services(book)
        if service.enabled
    ]


def _filled_in(url: str, caller: Caller) -> str | None:
    """``$(project_id)s`` and its kin replaced; None when the caller has no project and the address needs one."""
    values = {"project_id": caller.project_id, "tenant_id": caller.project_id, "user_id": caller.user_id}
    names = re.findall(r"[$%]\(([a-z_]+)\)s", url)
    if any(not values.get(name) for name in names):
        return None
    return re.sub(r"[$%]\(([a-z_]+)\)s", lambda found: values[found[1]], url)


def _stable_id(*parts: str) -> str:
    return uuid.uuid5(_NAMESPACE, "/".join(parts)).hex
