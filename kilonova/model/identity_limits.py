"""Unified limits: how much of a resource a project may have, and what holds where nothing was said. Kept and told, no more."""

from msgspec import Struct


class RegisteredLimit(Struct, frozen=True, kw_only=True):
    """What holds for everyone who has no limit of its own."""

    id: str
    service_id: str
    resource_name: str
    default_limit: int
    """-1: no limit."""
    region_id: str = ""
    description: str = ""


class Limit(Struct, frozen=True, kw_only=True):
    """What holds for one project or one domain. There is a registered limit for the same service, region and resource."""

    id: str
    service_id: str
    resource_name: str
    resource_limit: int
    region_id: str = ""
    project_id: str = ""
    domain_id: str = ""
    description: str = ""
