"""What one microversion changed, as data. Knows no particular version."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from kilonova.errors import BadRequest

Document = dict[str, Any]
Lift = Callable[[Document], Document]
"""An older request → the next newer one. May get any JSON object; raises BadRequest for what that version did not know."""
Lower = Callable[[Document, Any], Document]
"""A newer response and what it is about (a Server, Flavor, Host, …) → the next older one. It owns the document it gets."""


class Asked(Enum):
    """Requests that look different in some version."""

    SERVER_CREATE = "POST /servers"
    SERVER_UPDATE = "PUT /servers/{id}"
    SERVER_REBUILD = "what comes with the action rebuild"
    SERVER_QUERY = "GET /servers?"
    FLAVOR_CREATE = "POST /flavors"
    FLAVOR_QUERY = "GET /flavors?"
    KEYPAIR_CREATE = "POST /os-keypairs"
    KEYPAIR_QUERY = "GET /os-keypairs?"
    ACTION_QUERY = "GET /servers/{id}/os-instance-actions?"
    HYPERVISOR_QUERY = "GET /os-hypervisors?"
    SERVER_GROUP_CREATE = "POST /os-server-groups"
    QUOTA_CLASS_UPDATE = "PUT /os-quota-class-sets/{name}"
    MIGRATION_QUERY = "GET /os-migrations?"


class Shown(Enum):
    """Things that look different in some version."""

    SERVER = "a server with its details"
    SERVER_UPDATED = "the answer to PUT /servers/{id}"
    SERVER_REBUILT = "the answer to the action rebuild"
    FLAVOR = "a flavor with its details"
    FLAVOR_BRIEF = "a flavor in the short list"
    KEYPAIR = "a key pair"
    SERVER_GROUP = "a server group"
    AGGREGATE = "a host aggregate"
    MIGRATION = "a migration in the list of all"
    SERVER_MIGRATION = "a server's migration that is under way"
    QUOTA_CLASS = "a class of quotas"
    QUOTA = "a quota set"
    QUOTA_DETAIL = "a quota set with what is in use"
    LIMITS = "the absolute limits"
    SERVICE = "a service"
    HYPERVISOR = "a hypervisor with its details"
    HYPERVISOR_BRIEF = "a hypervisor in the short list"
    ACTION = "an action of a server"
    EVENT = "an event of an action"


@dataclass(frozen=True)
class Change:
    """What to do with requests of clients older than this version, and with answers to them."""

    lift: Mapping[Asked, Lift] = field(default_factory=dict)
    lower: Mapping[Shown, Lower] = field(default_factory=dict)


def inside(document: Document, key: str) -> Document:
    """The object below `key`; an empty one where there is none: that it is missing is found by the newest shape."""
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def refuse(document: Document, *keys: str) -> None:
    """Raises BadRequest, in Nova's words, when a key is there that this version does not know."""
    for key in keys:
        if key in document:
            raise BadRequest(f"Additional properties are not allowed ('{key}' was unexpected)")


def without(*keys: str) -> Lower:
    """A Lower that takes keys away."""

    def lower(document: Document, about: Any) -> Document:
        for key in keys:
            document.pop(key, None)
        return document

    return lower


def ignoring(*keys: str) -> Lift:
    """A Lift for query strings: these parameters meant nothing then."""

    def lift(query: Document) -> Document:
        return {name: values for name, values in query.items() if name not in keys}

    return lift
