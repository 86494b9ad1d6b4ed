"""The shapes of identity's request bodies, newest form, with Keystone's limits. Checks shape alone, not whether it makes sense.

A field that may be left out of an update is UNSET by default; null empties it. Fields not named here are kept as they are.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

Name64 = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"\S")]
Name255 = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\S")]
Id = Annotated[str, Meta(min_length=1, max_length=64)]
Text = Annotated[str, Meta(max_length=65_535)]
Password = Annotated[str, Meta(max_length=4096)]
Tag = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^,/]*$")]
Tags = Annotated[list[Tag], Meta(max_length=80)]
RegionId = Annotated[str, Meta(min_length=1, max_length=255)]
Url = Annotated[str, Meta(min_length=1, max_length=4096, pattern=r"^[a-zA-Z0-9+.-]+:.+")]
Interface = Literal["public", "internal", "admin"]
Options = dict[str, Any]


class DomainCreate(Struct):
    name: Name64
    description: Text | None = None
    enabled: bool = True
    options: Options = {}
    explicit_domain_id: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")] | None = None


class DomainUpdate(Struct):
    name: Name64 | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    options: Options | UnsetType = UNSET


class ProjectCreate(Struct):
    name: Name64
    domain_id: Id | None = None
    parent_id: Id | None = None
    description: Text | None = None
    enabled: bool = True
    is_domain: bool = False
    tags: Tags = []
    options: Options = {}


class ProjectUpdate(Struct):
    name: Name64 | UnsetType = UNSET
    domain_id: Id | UnsetType | None = UNSET
    parent_id: Id | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    is_domain: bool | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    options: Options | UnsetType = UNSET


class ProjectTags(Struct):
    tags: Tags


class UserCreate(Struct):
    name: Name255
    domain_id: Id | None = None
    password: Password | None = None
    description: Text | None = None
    email: Text | None = None
    enabled: bool = True
    default_project_id: Id | None = None
    options: Options = {}


class UserUpdate(Struct):
    name: Name255 | UnsetType = UNSET
    domain_id: Id | UnsetType | None = UNSET
    password: Password | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET
    email: Text | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    default_project_id: Id | UnsetType | None = UNSET
    options: Options | UnsetType = UNSET


class PasswordChange(Struct):
    password: Password
    original_password: Password


class GroupCreate(Struct):
    name: Name64
    domain_id: Id | None = None
    description: Text | None = None


class GroupUpdate(Struct):
    name: Name64 | UnsetType = UNSET
    domain_id: Id | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET


class RoleCreate(Struct):
    name: Name255
    description: Text | None = None
    domain_id: Id | None = None
    options: Options = {}


class RoleUpdate(Struct):
    name: Name255 | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    options: Options | UnsetType = UNSET


class RegionCreate(Struct):
    id: RegionId | None = None
    description: Text | None = None
    parent_region_id: RegionId | None = None


class RegionUpdate(Struct):
    description: Text | UnsetType | None = UNSET
    parent_region_id: RegionId | UnsetType | None = UNSET


class ServiceCreate(Struct):
    type: Name255
    name: Annotated[str, Meta(max_length=255)] | None = None
    description: Text | None = None
    enabled: bool = True


class ServiceUpdate(Struct):
    type: Name255 | UnsetType = UNSET
    name: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET


class EndpointCreate(Struct):
    service_id: Id
    interface: Interface
    url: Url
    region_id: RegionId | None = None
    region: RegionId | None = None
    enabled: bool = True


class EndpointUpdate(Struct):
    service_id: Id | UnsetType = UNSET
    interface: Interface | UnsetType = UNSET
    url: Url | UnsetType = UNSET
    region_id: RegionId | UnsetType | None = UNSET
    region: RegionId | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET


class DomainRef(Struct):
    """A domain by id or by name."""

    id: str | None = None
    name: str | None = None


class ProjectRef(Struct):
    """A project by id, or by name within a domain."""

    id: str | None = None
    name: str | None = None
    domain: DomainRef | None = None


class UserRef(Struct):
    """Who says it knows the password."""

    password: str
    id: str | None = None
    name: str | None = None
    domain: DomainRef | None = None


class PasswordMethod(Struct):
    user: UserRef


class TokenMethod(Struct):
    id: str


class UserHint(Struct):
    """A user by id, or by name within a domain."""

    id: str | None = None
    name: str | None = None
    domain: DomainRef | None = None


class AppCredentialMethod(Struct):
    """An application credential by id, or by name and user."""

    secret: str
    id: str | None = None
    name: str | None = None
    user: UserHint | None = None


class IdentityPart(Struct):
    methods: Annotated[list[str], Meta(min_length=1, max_length=8)]
    password: PasswordMethod | None = None
    token: TokenMethod | None = None
    application_credential: AppCredentialMethod | None = None


class SystemScope(Struct):
    all: bool = False


class TrustRef(Struct):
    id: Id


class ScopePart(Struct):
    project: ProjectRef | None = None
    domain: DomainRef | None = None
    system: SystemScope | None = None
    unscoped: dict[str, Any] | None = None
    trust: TrustRef | None = field(default=None, name="OS-TRUST:trust")


class AuthPart(Struct):
    identity: IdentityPart
    scope: ScopePart | Literal["unscoped"] | None = None


class AuthRequest(Struct):
    """The body of ``POST /v3/auth/tokens``."""

    auth: AuthPart
