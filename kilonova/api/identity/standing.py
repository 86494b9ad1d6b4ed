"""From a claim ("this user, in this project") to a Caller: is the user still there and enabled, and which roles does it have?

The one place that decides whether a token stands, both when it is issued and each time it is looked at again.
"""

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from kilonova.api.identity.needs import IdentityBook
from kilonova.errors import NotAuthenticated, NotFound
from kilonova.model.caller import Caller
from kilonova.model.identity import Domain, Role, User, with_implied
from kilonova.model.identity_credentials import AppCredentialUse, Trust

Scope = Literal["", "project", "domain", "system"]


class Claim(Struct, frozen=True, kw_only=True):
    """What a token says. `scope` is empty for an unscoped token; times are Unix time."""

    user_id: str
    scope: Scope = ""
    scope_id: str = ""
    methods: tuple[str, ...] = ("password",)
    audit_ids: tuple[str, ...] = ()
    issued_at: float = 0.0
    expires_at: float = 0.0
    app_credential_id: str = ""
    trust_id: str = ""


def claim_of(caller: Caller) -> Claim:
    """What a token for `caller` says."""
    scope: Scope = ""
    if caller.project_id:
        scope = "project"
    elif caller.domain_id:
        scope = "domain"
    elif caller.is_system:
        scope = "system"
    return Claim(
        user_id=caller.user_id,
        scope=scope,
        scope_id=caller.project_id or caller.domain_id or ("all" if caller.is_system else ""),
        methods=caller.methods,
        audit_ids=caller.audit_ids,
        issued_at=caller.issued_at,
        expires_at=caller.expires_at,
        app_credential_id=caller.app_credential.id if caller.app_credential else "",
        trust_id=caller.trust.id if caller.trust else "",
    )


def stand(book: IdentityBook, claim: Claim) -> Caller:
    """The caller this claim makes. Raises NotAuthenticated when user, project or domain is gone, disabled, or gives no role."""
    try:
        user, home = _living_user(book, claim)
        caller = Caller(
            user_id=user.id,
            user_name=user.name,
            user_domain_id=home.id,
            user_domain_name=home.name,
            methods=claim.methods,
            audit_ids=claim.audit_ids,
            issued_at=claim.issued_at,
            expires_at=claim.expires_at,
            app_credential=_app_credential(book, claim),
            trust=_trust(book, claim),
        )
        return _scoped(book, claim, caller) if claim.scope else caller
    except NotFound:
        raise NotAuthenticated() from None


def _living_user(book: IdentityBook, claim: Claim) -> tuple[User, Domain]:
    user = book.users.get(claim.user_id)
    home = book.domains.get(user.domain_id)
    _must_live(claim, user.enabled, user.tokens_from)
    _must_live(claim, home.enabled, home.tokens_from)
    if claim.audit_ids and book.revocations.has(claim.audit_ids[0]):
        raise NotAuthenticated()
    return user, home


def _scoped(book: IdentityBook, claim: Claim, caller: Caller) -> Caller:
    roles = _roles(book, claim, caller)
    if not roles:
        raise NotAuthenticated()
    if claim.scope == "system":
        return _with(caller, roles, is_system=True)
    if claim.scope == "domain":
        domain = book.domains.get(claim.scope_id)
        _must_live(claim, domain.enabled, domain.tokens_from)
        return _with(caller, roles, domain_id=domain.id, domain_name=domain.name)
    project = book.projects.get(claim.scope_id)
    domain = book.domains.get(project.domain_id)
    _must_live(claim, project.enabled, project.tokens_from)
    _must_live(claim, domain.enabled, domain.tokens_from)
    return _with(
        caller,
        roles,
        project_id=project.id,
        project_name=project.name,
        project_domain_id=domain.id,
        project_domain_name=domain.name,
    )


def _roles(book: IdentityBook, claim: Claim, caller: Caller) -> list[Role]:
    """Those the user has there; with an application credential or a trust, the ones among them that it gives."""
    owner = caller.trust.trustor_id if caller.trust else claim.user_id
    roles = book.assignments.effective(owner, claim.scope, claim.scope_id)
    if caller.trust:
        given = caller.trust.role_ids
    elif caller.app_credential:
        given = book.app_credentials.get(caller.app_credential.id).role_ids
    else:
        return roles
    return book.roles.all_of(with_implied({role.id for role in roles} & set(given), book.roles.implications()))


def _app_credential(book: IdentityBook, claim: Claim) -> AppCredentialUse | None:
    if not claim.app_credential_id:
        return None
    found = book.app_credentials.get(claim.app_credential_id)
    if found.user_id != claim.user_id or (claim.scope, claim.scope_id) != ("project", found.project_id):
        raise NotAuthenticated()
    rules = book.access_rules.all_of(found.access_rule_ids)
    return AppCredentialUse(id=found.id, name=found.name, unrestricted=found.unrestricted, access_rules=rules)


def _trust(book: IdentityBook, claim: Claim) -> Trust | None:
    """Both who trusts and who is trusted must live."""
    if not claim.trust_id:
        return None
    found = book.trusts.get(claim.trust_id)
    if (claim.scope, claim.scope_id) != ("project", found.project_id):
        raise NotAuthenticated()
    for user_id in (found.trustor_id, found.trustee_id):
        _living_user(book, replace(claim, user_id=user_id))
    return found


def _with(caller: Caller, roles: list[Role], **scope: object) -> Caller:
    return replace(
        caller,
        roles=frozenset(role.name for role in roles),
        role_ids=tuple((role.id, role.name) for role in roles),
        **scope,
    )


def _must_live(claim: Claim, enabled: bool, tokens_from: float) -> None:
    if not enabled or claim.issued_at < tokens_from:
        raise NotAuthenticated()
