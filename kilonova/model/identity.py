"""Who there is: domains, projects, users, groups, roles and who has which; and the services a catalogue lists. No I/O."""

import re
from typing import Any

from msgspec import Struct, field

DEFAULT_DOMAIN_ID = "default"
ROLES = ("admin", "manager", "member", "reader", "service")
IMPLIED_ROLES = (("admin", "manager"), ("manager", "member"), ("member", "reader"))
"""(role, the role it brings along) by name."""
INTERFACES = ("public", "internal", "admin")


class Domain(Struct, frozen=True, kw_only=True):
    """A realm of names: users, groups and projects are unique within it."""

    id: str
    name: str
    description: str = ""
    enabled: bool = True
    options: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    tokens_from: float = 0.0
    """Unix time: tokens issued earlier are dead. Set when the thing is disabled or a password changes."""


class Project(Struct, frozen=True, kw_only=True):
    """What owns servers. `parent_id` is the domain's id for a project at the top."""

    id: str
    name: str
    domain_id: str
    parent_id: str
    description: str = ""
    enabled: bool = True
    tags: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    tokens_from: float = 0.0


class User(Struct, frozen=True, kw_only=True):
    """`password_hash` empty: no password is right."""

    id: str
    name: str
    domain_id: str
    description: str = ""
    email: str = ""
    enabled: bool = True
    default_project_id: str = ""
    password_hash: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    tokens_from: float = 0.0


class Group(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    domain_id: str
    description: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


class Role(Struct, frozen=True, kw_only=True):
    """With a `domain_id` it is the domain's own: given only there, and never in a token itself, only what it brings along."""

    id: str
    name: str
    domain_id: str = ""
    description: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


class Assignment(Struct, frozen=True, kw_only=True):
    """`actor_id` has `role_id` on `target_id`; `inherited`: not there itself, but in every project below it."""

    actor: str
    """``user`` or ``group``."""
    actor_id: str
    target: str
    """``project``, ``domain`` or ``system`` (whose id is ``all``)."""
    target_id: str
    role_id: str
    inherited: bool = False


class Region(Struct, frozen=True, kw_only=True):
    id: str
    description: str = ""
    parent_region_id: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


class CatalogService(Struct, frozen=True, kw_only=True):
    id: str
    type: str
    name: str = ""
    description: str = ""
    enabled: bool = True
    extra: dict[str, Any] = field(default_factory=dict)


class Endpoint(Struct, frozen=True, kw_only=True):
    id: str
    service_id: str
    interface: str
    url: str
    region_id: str = ""
    enabled: bool = True
    extra: dict[str, Any] = field(default_factory=dict)


def is_uuid_hex(text: str) -> bool:
    """32 lower-case hexadecimal digits, as Keystone writes ids."""
    return re.fullmatch("[0-9a-f]{32}", text) is not None


def with_implied(role_ids: set[str], implications: dict[str, set[str]]) -> set[str]:
    """The roles and all they bring along, however many steps away."""
    found: set[str] = set()
    waiting = list(role_ids)
    while waiting:
        role = waiting.pop()
        if role not in found:
            found.add(role)
            waiting.extend(implications.get(role, ()))
    return found
