"""Records as Keystone shows them. Pure functions of a record and the address below which identity stands."""

from datetime import UTC, datetime
from typing import Any

from kilonova.api.call import Call
from kilonova.model.identity import CatalogService, Domain, Endpoint, Group, Project, Region, Role, User

View = dict[str, Any]


def base(call: Call) -> str:
    """The address of version 3."""
    return f"{call.world.public_url}/identity/v3"


def moment(unix: float) -> str:
    """Unix time as Keystone writes it, in UTC with microseconds."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def domain_view(record: Domain, root: str) -> View:
    return record.extra | {
        "id": record.id,
        "name": record.name,
        "description": record.description,
        "enabled": record.enabled,
        "tags": [],
        "options": record.options,
        "links": {"self": f"{root}/domains/{record.id}"},
    }


def project_view(record: Project, root: str) -> View:
    return record.extra | {
        "id": record.id,
        "name": record.name,
        "domain_id": record.domain_id,
        "parent_id": record.parent_id,
        "description": record.description,
        "enabled": record.enabled,
        "is_domain": False,
        "tags": list(record.tags),
        "options": record.options,
        "links": {"self": f"{root}/projects/{record.id}"},
    }


def user_view(record: User, root: str) -> View:
    """The password is never shown; what was not given is left out, as in Keystone."""
    view = record.extra | {
        "id": record.id,
        "name": record.name,
        "domain_id": record.domain_id,
        "enabled": record.enabled,
        "options": record.options,
        "password_expires_at": None,
        "links": {"self": f"{root}/users/{record.id}"},
    }
    optional = {"default_project_id": record.default_project_id, "description": record.description, "email": record.email}
    return view | {name: value for name, value in optional.items() if value}


def group_view(record: Group, root: str) -> View:
    return record.extra | {
        "id": record.id,
        "name": record.name,
        "domain_id": record.domain_id,
        "description": record.description,
        "links": {"self": f"{root}/groups/{record.id}"},
    }


def role_view(record: Role, root: str) -> View:
    return record.extra | {
        "id": record.id,
        "name": record.name,
        "domain_id": record.domain_id or None,
        "description": record.description or None,
        "options": record.options,
        "links": {"self": f"{root}/roles/{record.id}"},
    }


def region_view(record: Region, root: str) -> View:
    return record.extra | {
        "id": record.id,
        "description": record.description,
        "parent_region_id": record.parent_region_id or None,
        "links": {"self": f"{root}/regions/{record.id}"},
    }


def service_view(record: CatalogService, root: str) -> View:
    return record.extra | {
        "id": record.id,
        "type": record.type,
        "name": record.name,
        "description": record.description,
        "enabled": record.enabled,
        "links": {"self": f"{root}/services/{record.id}"},
    }


def endpoint_view(record: Endpoint, root: str) -> View:
    return record.extra | {
        "id": record.id,
        "service_id": record.service_id,
        "interface": record.interface,
        "url": record.url,
        "region_id": record.region_id or None,
        "region": record.region_id or None,
        "enabled": record.enabled,
        "links": {"self": f"{root}/endpoints/{record.id}"},
    }
