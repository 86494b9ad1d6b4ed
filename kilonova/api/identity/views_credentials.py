"""Application credentials, access rules, kept secrets and trusts as Keystone shows them. The hashes stay here."""

import json
from datetime import UTC, datetime
from typing import Any

from kilonova.api.identity.views import View, moment
from kilonova.model.identity import Role
from kilonova.model.identity_credentials import AccessRule, AppCredential, Credential, Trust


def access_rule_view(rule: AccessRule) -> View:
    """As it stands within a credential."""
    return {"id": rule.id, "service": rule.service, "method": rule.method, "path": rule.path}


def linked_access_rule_view(rule: AccessRule, root: str) -> View:
    return access_rule_view(rule) | {"links": {"self": f"{root}/users/{rule.user_id}/access_rules/{rule.id}"}}


def app_credential_view(record: AppCredential, roles: list[Role], rules: tuple[AccessRule, ...], root: str) -> View:
    """`expires_at` without a zone's letter, as Keystone writes it here and nowhere else; it is UTC."""
    expires_at = None if record.expires_at is None else datetime.fromtimestamp(record.expires_at, UTC)
    view: View = {
        "id": record.id,
        "name": record.name,
        "description": record.description or None,
        "project_id": record.project_id,
        "user_id": record.user_id,
        "unrestricted": record.unrestricted,
        "expires_at": None if expires_at is None else expires_at.replace(tzinfo=None).isoformat(),
        "roles": [{"id": role.id, "name": role.name, "domain_id": role.domain_id or None} for role in roles],
        "links": {"self": f"{root}/users/{record.user_id}/application_credentials/{record.id}"},
    }
    if rules:
        view["access_rules"] = [access_rule_view(rule) for rule in rules]
    return view


def credential_view(record: Credential, root: str) -> View:
    return {
        "id": record.id,
        "user_id": record.user_id,
        "project_id": record.project_id or None,
        "type": record.type,
        "blob": record.blob,
        "links": {"self": f"{root}/credentials/{record.id}"},
    }


def ec2_view(record: Credential, root: str) -> View:
    """A kept secret of type ``ec2`` in the words of the older extension."""
    keys: dict[str, Any] = json.loads(record.blob)
    return {
        "user_id": record.user_id,
        "tenant_id": record.project_id,
        "access": keys.get("access"),
        "secret": keys.get("secret"),
        "trust_id": keys.get("trust_id"),
        "links": {"self": f"{root}/users/{record.user_id}/credentials/OS-EC2/{keys.get('access')}"},
    }


def trust_view(record: Trust, root: str) -> View:
    """As in a list; a single one shows its roles too."""
    here = f"{root}/OS-TRUST/trusts/{record.id}"
    return {
        "id": record.id,
        "trustor_user_id": record.trustor_id,
        "trustee_user_id": record.trustee_id,
        "project_id": record.project_id,
        "impersonation": record.impersonation,
        "expires_at": None if record.expires_at is None else moment(record.expires_at),
        "deleted_at": None,
        "remaining_uses": record.uses_left,
        "redelegated_trust_id": None,
        "redelegation_count": 0,
        "links": {"self": here},
        "roles_links": {"self": f"{here}/roles", "previous": None, "next": None},
    }
