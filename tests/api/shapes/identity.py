"""What the identity service answers, route by route. A route that is not here answers with no body.

Domains, projects, users, groups, roles, regions, services and endpoints keep whatever else they are given, as in Keystone.
"""

from tests.api.shapes.notation import HEX, TIME_MICRO_Z, Map, OneOf, Open, Shape, Text, maybe
from tests.api.shapes.tables import Answers


def error(status: int) -> Shape:
    """Keystone's."""
    return {"error": {"code": status, "message": str, "title": str}}


ID = Text(r".+")
SELF = {"self": Text(r"https?://.+")}
LIST = {"links": {"self": Text(r"https?://.+"), "previous": str | None, "next": str | None}, "truncated?": bool}
NAMED = {"id": ID, "name": str}
IN_DOMAIN = NAMED | {"domain": NAMED}
VERSION_LINKS = [{"rel": str, "href": Text(r"https?://.+")}]
VERSION = {
    "id": Text(r"v3\.\d+"),
    "status": "stable",
    "updated": str,
    "links": VERSION_LINKS,
    "media-types": [{"base": str, "type": str}],
}


def _kept(**known: Shape) -> Open:
    return Open({"id": ID, "links": SELF, **known}, rest=object)


DOMAIN = _kept(name=str, description=str, enabled=bool, tags=[str], options=Map(object))
PROJECT = _kept(
    name=str,
    domain_id=str | None,
    parent_id=str | None,
    description=str,
    enabled=bool,
    is_domain=bool,
    tags=[str],
    options=Map(object),
)
USER = _kept(
    name=str,
    domain_id=str,
    enabled=bool,
    options=Map(object),
    password_expires_at=maybe(TIME_MICRO_Z),
    **{"default_project_id?": str, "description?": str, "email?": str},
)
GROUP = _kept(name=str, domain_id=str, description=str)
ROLE = _kept(name=str, domain_id=str | None, description=str | None, options=Map(object))
REGION = _kept(description=str, parent_region_id=str | None)
SERVICE = _kept(type=str, name=str, description=str, enabled=bool)
ENDPOINT = _kept(
    service_id=HEX,
    interface=OneOf("public", "internal", "admin"),
    url=str,
    region_id=str | None,
    region=str | None,
    enabled=bool,
)
CATALOG = [
    {
        "id": HEX,
        "type": str,
        "name": str,
        "endpoints": [{"id": HEX, "interface": str, "region_id": str | None, "region": str | None, "url": str}],
    }
]
ACCESS_RULE = {"id": ID, "service": str, "method": str, "path": str}
TOKEN = {
    "methods": [str],
    "user": IN_DOMAIN | {"password_expires_at": maybe(TIME_MICRO_Z)},
    "audit_ids": [str],
    "issued_at": TIME_MICRO_Z,
    "expires_at": TIME_MICRO_Z,
    "project?": IN_DOMAIN,
    "is_domain?": bool,
    "domain?": NAMED,
    "system?": {"all": True},
    "roles?": [NAMED],
    "catalog?": CATALOG,
    "application_credential?": NAMED | {"restricted": bool, "access_rules?": [ACCESS_RULE]},
    "OS-TRUST:trust?": {
        "id": ID,
        "impersonation": bool,
        "trustor_user": {"id": ID},
        "trustee_user": {"id": ID},
    },
}
APP_CREDENTIAL = NAMED | {
    "description": str | None,
    "project_id": ID,
    "user_id": ID,
    "unrestricted": bool,
    "expires_at": str | None,
    "roles": [NAMED | {"domain_id": str | None}],
    "links": SELF,
    "access_rules?": [ACCESS_RULE],
}
CREDENTIAL = {"id": ID, "user_id": ID, "project_id": str | None, "type": str, "blob": str, "links": SELF}
EC2 = {"user_id": ID, "tenant_id": ID, "access": HEX, "secret": str, "trust_id": str | None, "links": SELF}
LIMIT = {
    "id": ID,
    "project_id": str | None,
    "domain_id": str | None,
    "service_id": ID,
    "region_id": str | None,
    "resource_name": str,
    "resource_limit": int,
    "description": str | None,
    "links": SELF,
}
REGISTERED = {
    "id": ID,
    "service_id": ID,
    "region_id": str | None,
    "resource_name": str,
    "default_limit": int,
    "description": str | None,
    "links": SELF,
}
TRUST_ROLE = NAMED | {"domain_id?": str | None, "description?": str | None, "options?": Map(object), "links": SELF}
TRUST = {
    "id": ID,
    "trustor_user_id": ID,
    "trustee_user_id": ID,
    "project_id": str | None,
    "impersonation": bool,
    "expires_at": str | None,
    "deleted_at": str | None,
    "remaining_uses": int | None,
    "redelegation_count": int,
    "redelegated_trust_id?": str | None,
    "links": SELF,
}
TRUST_WHOLE = TRUST | {"roles": [TRUST_ROLE], "roles_links": {"self": str, "previous": None, "next": None}}
ROLE_REF = NAMED | {"links": SELF, "description?": str | None}
INFERENCE = {"prior_role": ROLE_REF, "implies": ROLE_REF}
ASSIGNMENT = {
    "role": {"id": ID, "name?": str, "domain?": object},
    "scope": {"project?": Map(object), "domain?": Map(object), "system?": {"all": True}, "OS-INHERIT:inherited_to?": "projects"},
    "user?": Open({"id": ID}, object),
    "group?": Open({"id": ID}, object),
    "links": {"assignment": str, "membership?": str, "prior_role?": str},
}


def _noun(path: str, gap: str, one: str, shape: Shape) -> Answers:
    single = {one: shape}
    return {
        f"GET {path}": {200: {f"{one}s": [shape], **LIST}},
        f"POST {path}": {201: single},
        f"GET {path}/{{{gap}}}": {200: single},
        f"PATCH {path}/{{{gap}}}": {200: single},
    }


def _grants() -> Answers:
    """The roles that somebody has somewhere."""
    roles = {200: {"roles": [ROLE], **LIST}}
    return {
        **{
            f"GET /v3/{where}/{who}/roles": roles
            for where in ("projects/{project_id}", "domains/{domain_id}", "system")
            for who in ("users/{user_id}", "groups/{group_id}")
        },
        **{
            f"GET /v3/OS-INHERIT/{where}/{who}/roles/inherited_to_projects": roles
            for where in ("projects/{project_id}", "domains/{domain_id}")
            for who in ("users/{user_id}", "groups/{group_id}")
        },
    }


SHAPES: Answers = {
    "GET /": {300: {"versions": {"values": [VERSION]}}},
    "GET /v3": {200: {"version": VERSION}},
    "POST /v3/auth/tokens": {201: {"token": TOKEN}},
    "GET /v3/auth/tokens": {200: {"token": TOKEN}},
    "GET /v3/auth/catalog": {200: {"catalog": CATALOG, **LIST}},
    "GET /v3/auth/projects": {200: {"projects": [PROJECT], **LIST}},
    "GET /v3/auth/domains": {200: {"domains": [DOMAIN], **LIST}},
    "GET /v3/auth/system": {200: {"system": [{"all": True}], **LIST}},
    **_noun("/v3/domains", "domain_id", "domain", DOMAIN),
    **_noun("/v3/projects", "project_id", "project", PROJECT),
    **_noun("/v3/users", "user_id", "user", USER),
    **_noun("/v3/groups", "group_id", "group", GROUP),
    **_noun("/v3/roles", "role_id", "role", ROLE),
    **_noun("/v3/regions", "region_id", "region", REGION),
    **_noun("/v3/services", "service_id", "service", SERVICE),
    **_noun("/v3/endpoints", "endpoint_id", "endpoint", ENDPOINT),
    **_noun("/v3/credentials", "credential_id", "credential", CREDENTIAL),
    **_noun("/v3/limits", "limit_id", "limit", LIMIT),
    **_noun("/v3/registered_limits", "limit_id", "registered_limit", REGISTERED),
    **_grants(),
    "PUT /v3/regions/{region_id}": {200: {"region": REGION}, 201: {"region": REGION}},
    "POST /v3/limits": {201: {"limits": [LIMIT], **LIST}},
    "POST /v3/registered_limits": {201: {"registered_limits": [REGISTERED], **LIST}},
    "GET /v3/limits/model": {200: {"model": {"name": str, "description": str}}},
    "GET /v3/projects/{project_id}/tags": {200: {"tags": [str], **LIST}},
    "PUT /v3/projects/{project_id}/tags": {200: {"tags": [str], **LIST}},
    "GET /v3/users/{user_id}/projects": {200: {"projects": [PROJECT], **LIST}},
    "GET /v3/users/{user_id}/groups": {200: {"groups": [GROUP], **LIST}},
    "GET /v3/groups/{group_id}/users": {200: {"users": [USER], **LIST}},
    "GET /v3/users/{user_id}/application_credentials": {200: {"application_credentials": [APP_CREDENTIAL], **LIST}},
    "POST /v3/users/{user_id}/application_credentials": {201: {"application_credential": APP_CREDENTIAL | {"secret": str}}},
    "GET /v3/users/{user_id}/application_credentials/{credential_id}": {200: {"application_credential": APP_CREDENTIAL}},
    "GET /v3/users/{user_id}/access_rules": {200: {"access_rules": [ACCESS_RULE | {"links": SELF}], **LIST}},
    "GET /v3/users/{user_id}/access_rules/{access_rule_id}": {200: {"access_rule": ACCESS_RULE | {"links": SELF}}},
    "GET /v3/users/{user_id}/credentials/OS-EC2": {200: {"credentials": [EC2], **LIST}},
    "POST /v3/users/{user_id}/credentials/OS-EC2": {201: {"credential": EC2}},
    "GET /v3/users/{user_id}/credentials/OS-EC2/{access}": {200: {"credential": EC2}},
    "GET /v3/OS-TRUST/trusts": {200: {"trusts": [TRUST | {"roles_links?": Map(str | None)}], **LIST}},
    "POST /v3/OS-TRUST/trusts": {201: {"trust": TRUST_WHOLE}},
    "GET /v3/OS-TRUST/trusts/{trust_id}": {200: {"trust": TRUST_WHOLE}},
    "GET /v3/OS-TRUST/trusts/{trust_id}/roles": {200: {"roles": [TRUST_ROLE], **LIST}},
    "GET /v3/OS-TRUST/trusts/{trust_id}/roles/{role_id}": {200: {"role": TRUST_ROLE}},
    "GET /v3/roles/{role_id}/implies": {
        200: {"role_inference": {"prior_role": ROLE_REF, "implies": [ROLE_REF]}, "links": SELF},
    },
    "GET /v3/roles/{role_id}/implies/{implied_role_id}": {200: {"role_inference": INFERENCE, "links": SELF}},
    "PUT /v3/roles/{role_id}/implies/{implied_role_id}": {201: {"role_inference": INFERENCE, "links": SELF}},
    "GET /v3/role_inferences": {200: {"role_inferences": [{"prior_role": ROLE_REF, "implies": [ROLE_REF]}], "links": SELF}},
    "GET /v3/role_assignments": {200: {"role_assignments": [ASSIGNMENT], **LIST}},
}
