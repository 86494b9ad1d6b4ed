"""Reads who asks for a token and for what: proves the user, works out the scope. Issues nothing.

Whatever is wrong with user, password, token or scope gets the same answer, and an unknown user takes as long as a wrong password.
"""

from msgspec import Struct
from msgspec.structs import replace

from kilonova.api.call import Call
from kilonova.api.identity.needs import IdentityBook
from kilonova.api.identity.password_check import check_password
from kilonova.api.identity.schemas import AppCredentialMethod, DomainRef, IdentityPart, ProjectRef, ScopePart, UserHint, UserRef
from kilonova.api.identity.standing import Claim, stand
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Forbidden, NotAuthenticated, NotFound
from kilonova.model.caller import Caller
from kilonova.model.identity import User
from kilonova.model.identity_credentials import AppCredential


class Proven(Struct, frozen=True, kw_only=True):
    """A user who showed that it is one. `parent` is the token, `app_credential` the credential it came with, if any."""

    user_id: str
    methods: tuple[str, ...]
    parent: Caller | None = None
    app_credential: AppCredential | None = None


async def prove(call: Call, identity: IdentityPart) -> Proven:
    """Every method named must succeed, for the same user. Raises NotAuthenticated, BadRequest for a method without its part."""
    users: set[str] = set()
    parent: Caller | None = None
    credential: AppCredential | None = None
    for method in dict.fromkeys(identity.methods):
        if method == "password":
            if identity.password is None:
                raise _expected("password", "identity")
            users.add(await _by_password(call, identity.password.user))
        elif method == "token":
            if identity.token is None:
                raise _expected("token", "identity")
            parent = await _by_token(call, identity.token.id)
            users.add(parent.user_id)
        elif method == "application_credential":
            if identity.application_credential is None:
                raise _expected("application_credential", "identity")
            credential = await _by_app_credential(call, identity.application_credential)
            users.add(credential.user_id)
        else:
            raise NotAuthenticated("Attempted to authenticate with an unsupported method.")
    if len(users) != 1:
        raise NotAuthenticated()
    methods = dict.fromkeys((*(parent.methods if parent else ()), *identity.methods))
    return Proven(user_id=users.pop(), methods=tuple(methods), parent=parent, app_credential=credential)


async def _by_token(call: Call, token: str) -> Caller:
    try:
        parent = await call.world.tokens.caller(token)
    except NotAuthenticated:
        raise NotFound("Could not find token.") from None
    if parent.trust is not None:
        raise Forbidden("A token got by a trust cannot be exchanged for another one.")
    return parent


async def _by_app_credential(call: Call, given: AppCredentialMethod) -> AppCredential:
    """By its id, or by its name among its user's. An unknown one takes as long as a wrong secret."""
    if not given.id and not (given.name and given.user):
        raise _expected("id, or name and user", "application_credential")

    def look(books: Books) -> AppCredential | None:
        book = books.identity
        try:
            if given.id:
                return book.app_credentials.get(given.id)
            user = _user(book, given.user) if given.user else None
            return book.app_credentials.named(given.name or "", user.id) if user else None
        except NotFound:
            return None

    found = await call.world.ledger.read(look)
    right = await call.world.passwords.matches(given.secret, found.secret_hash if found else "")
    if found is None or not right or (found.expires_at is not None and found.expires_at <= call.world.now()):
        raise NotAuthenticated()
    return found


async def _by_password(call: Call, who: UserRef) -> str:
    if not who.id and not who.name:
        raise _expected("id or name", "user")
    if not who.id and not (who.domain and (who.domain.id or who.domain.name)):
        raise _expected("domain", "user")
    user = await call.world.ledger.read(lambda books: _user(books.identity, who))
    return (await check_password(call, user, who.password)).id


def _user(book: IdentityBook, who: UserRef | UserHint) -> User | None:
    try:
        if who.id:
            return book.users.get(who.id)
        return book.users.named(who.name or "", _domain_id(book, who.domain))
    except NotFound:
        return None


def scoped(book: IdentityBook, claim: Claim, scope: ScopePart | str | None) -> Caller:
    """The caller in the scope asked for; where none is, in the user's default project if that can be, else in none.

    An application credential is good for its own project alone.
    """
    if claim.app_credential_id:
        return stand(book, _in_own_project(book, claim, scope))
    if isinstance(scope, ScopePart):
        return stand(book, _aim(book, claim, scope))
    if scope is None:
        home = _default_project(book, claim.user_id)
        if home:
            try:
                return stand(book, replace(claim, scope="project", scope_id=home))
            except NotAuthenticated:
                pass  # no role there, or gone: then without a scope, as Keystone does it
    return stand(book, claim)


def _in_own_project(book: IdentityBook, claim: Claim, scope: ScopePart | str | None) -> Claim:
    own = replace(claim, scope="project", scope_id=book.app_credentials.get(claim.app_credential_id).project_id)
    if scope is None:
        return own
    if "token" not in claim.methods:
        raise NotAuthenticated("Application credentials cannot request a scope.")
    if not isinstance(scope, ScopePart) or _aim(book, own, scope) != own:
        raise NotAuthenticated("A token got by an application credential cannot change its scope.")
    return own


def _default_project(book: IdentityBook, user_id: str) -> str:
    try:
        return book.users.get(user_id).default_project_id
    except NotFound:
        return ""


def _aim(book: IdentityBook, claim: Claim, scope: ScopePart) -> Claim:
    parts = (scope.project, scope.domain, scope.system, scope.unscoped, scope.trust)
    if sum(part is not None for part in parts) != 1:
        raise BadRequest("A scope names one of project, domain, system or unscoped.")
    try:
        if scope.project is not None:
            return replace(claim, scope="project", scope_id=_project_id(book, scope.project))
        if scope.domain is not None:
            return replace(claim, scope="domain", scope_id=_domain_id(book, scope.domain))
    except NotFound:
        raise NotAuthenticated() from None
    if scope.system is not None:
        if not scope.system.all:
            raise BadRequest("The scope system must be all.")
        return replace(claim, scope="system", scope_id="all")
    if scope.trust is not None:
        return _trusted(book, claim, scope.trust.id)
    return replace(claim, scope="", scope_id="")


def _trusted(book: IdentityBook, claim: Claim, trust_id: str) -> Claim:
    """Only the trustee may use a trust; with impersonation the token is the trustor's."""
    try:
        trust = book.trusts.get(trust_id)
    except NotFound:
        raise NotAuthenticated() from None
    if trust.trustee_id != claim.user_id:
        raise Forbidden()
    if trust.uses_left == 0:
        raise NotAuthenticated()
    if trust.expires_at is not None:
        if trust.expires_at <= claim.issued_at:
            raise NotAuthenticated()
        claim = replace(claim, expires_at=min(claim.expires_at, trust.expires_at))
    user_id = trust.trustor_id if trust.impersonation else trust.trustee_id
    return replace(claim, user_id=user_id, scope="project", scope_id=trust.project_id, trust_id=trust.id)


def _project_id(book: IdentityBook, wanted: ProjectRef) -> str:
    if wanted.id:
        return book.projects.get(wanted.id).id
    if not wanted.name:
        raise _expected("id or name", "project")
    if not (wanted.domain and (wanted.domain.id or wanted.domain.name)):
        raise _expected("domain", "project")
    project = book.projects.named(wanted.name, _domain_id(book, wanted.domain))
    if project is None:
        raise NotFound()
    return project.id


def _domain_id(book: IdentityBook, wanted: DomainRef | None) -> str:
    if wanted is not None and wanted.id:
        return book.domains.get(wanted.id).id
    if wanted is None or not wanted.name:
        raise _expected("id or name", "domain")
    domain = book.domains.named(wanted.name)
    if domain is None:
        raise NotFound()
    return domain.id


def _expected(what: str, where: str) -> BadRequest:
    return BadRequest(
        f"Expecting to find {what} in {where}. The server could not comply with the request since it is either malformed "
        "or otherwise incorrect. The client is assumed to be in error."
    )
