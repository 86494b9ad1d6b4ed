"""The shapes of request bodies about application credentials, kept secrets and trusts. Checks shape alone."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from kilonova.api.identity.schemas import Id, Name255, Text

Secret = Annotated[str, Meta(min_length=1, max_length=4096)]
Moment = Annotated[str, Meta(max_length=64)]
Blob = Annotated[str, Meta(max_length=65_535)]


class RoleRef(Struct):
    """A role by id or by name."""

    id: Id | None = None
    name: Name255 | None = None


class AccessRuleRef(Struct):
    """A rule the user has already, by id; or one in words, all three of them."""

    id: Id | None = None
    service: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] | None = None
    path: Annotated[str, Meta(min_length=1, max_length=225, pattern="^/")] | None = None


class AppCredentialCreate(Struct):
    name: Name255
    secret: Secret | None = None
    description: Text | None = None
    expires_at: Moment | None = None
    roles: Annotated[list[RoleRef], Meta(max_length=100)] | None = None
    unrestricted: bool = False
    access_rules: Annotated[list[AccessRuleRef], Meta(max_length=100)] | None = None


class CredentialCreate(Struct):
    type: Name255
    blob: Blob
    user_id: Id | None = None
    project_id: Id | None = None


class CredentialUpdate(Struct):
    type: Name255 | UnsetType = UNSET
    blob: Blob | UnsetType = UNSET
    user_id: Id | UnsetType = UNSET
    project_id: Id | UnsetType | None = UNSET


class Ec2Create(Struct):
    tenant_id: Id


class TrustCreate(Struct):
    trustor_user_id: Id
    trustee_user_id: Id
    impersonation: bool
    project_id: Id | None = None
    expires_at: Moment | None = None
    remaining_uses: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    roles: Annotated[list[RoleRef], Meta(max_length=100)] = []
    allow_redelegation: bool = False
