"""``/v3/auth``: tokens issued, looked at and revoked; what their bearer may ask for. How a user is proven stands in `who.py`."""

from kilonova.api.call import Answer, Call
from kilonova.api.identity.answers import change_identity, done, many
from kilonova.api.identity.catalogue import catalogue
from kilonova.api.identity.schemas import AuthRequest, ScopePart
from kilonova.api.identity.standing import Claim
from kilonova.api.identity.token_view import is_scoped, token_view
from kilonova.api.identity.views import View, domain_view, project_view
from kilonova.api.identity.who import prove, scoped
from kilonova.api.paging import links_object
from kilonova.api.tokens import new_audit_id
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Forbidden, NotAuthenticated, NotFound
from kilonova.model.caller import Caller
from kilonova.model.identity import Domain, Project
from kilonova.model.page import EVERYTHING, Condition


async def issue_token(call: Call) -> Answer:
    """A token made from a token ends with it, and remembers it by its audit id."""
    request = call.json(AuthRequest).auth
    proven = await prove(call, request.identity)
    now = call.world.now()
    parent, credential = proven.parent, proven.app_credential
    expires_at = parent.expires_at if parent else now + call.world.token_lifetime_s
    if credential is not None and credential.expires_at is not None:
        expires_at = min(expires_at, credential.expires_at)
    earlier = parent.app_credential if parent else None
    claim = Claim(
        user_id=proven.user_id,
        methods=proven.methods,
        audit_ids=(new_audit_id(), parent.audit_ids[-1]) if parent else (new_audit_id(),),
        issued_at=now,
        expires_at=expires_at,
        app_credential_id=credential.id if credential else earlier.id if earlier else "",
    )

    def look(books: Books) -> tuple[Caller, View]:
        caller = scoped(books.identity, claim, request.scope)
        if caller.trust is not None:
            books.identity.trusts.use(caller.trust.id)
        return caller, token_view(call, books.identity, caller)

    by_trust = isinstance(request.scope, ScopePart) and request.scope.trust is not None
    caller, view = await (call.world.ledger.write if by_trust else call.world.ledger.read)(look)
    headers = {"X-Subject-Token": call.world.tokens.issue(caller), "Vary": "X-Auth-Token"}
    return Answer(201, {"token": view}, headers)


async def validate_token(call: Call) -> Answer:
    token, caller = await _subject(call)
    view = await call.world.ledger.read(lambda books: token_view(call, books.identity, caller))
    return Answer(200, {"token": view}, {"X-Subject-Token": token, "Vary": "X-Auth-Token"})


async def revoke_token(call: Call) -> Answer:
    _, caller = await _subject(call)
    now = call.world.now()

    def revoke(books: Books) -> None:
        books.identity.revocations.forget_expired(now)
        books.identity.revocations.add(caller.audit_ids[0], caller.expires_at)

    await change_identity(call, revoke)
    return done()


async def show_catalogue(call: Call) -> Answer:
    caller = call.who
    if not is_scoped(caller):
        raise Forbidden("A project-scoped token is required to produce a service catalog.")
    found = await call.world.ledger.read(lambda books: catalogue(call, books.identity, caller))
    return Answer(200, {"catalog": found, "links": links_object(call, EVERYTHING, ())})


async def list_own_projects(call: Call) -> Answer:
    """The projects the caller may ask a token for."""
    user_id = call.who.user_id

    def look(books: Books) -> list[Project]:
        ids = tuple(books.identity.assignments.targets(user_id, "project"))
        living = {domain.id for domain in books.identity.domains.find((Condition("enabled", True),), EVERYTHING)}
        found = books.identity.projects.find((Condition("id", ids, "in"), Condition("enabled", True)), EVERYTHING)
        return [project for project in found if project.domain_id in living]

    return many(call, "projects", await call.world.ledger.read(look), project_view)


async def list_own_domains(call: Call) -> Answer:
    """The domains the caller may ask a token for."""
    user_id = call.who.user_id

    def look(books: Books) -> list[Domain]:
        ids = tuple(books.identity.assignments.targets(user_id, "domain"))
        return books.identity.domains.find((Condition("id", ids, "in"), Condition("enabled", True)), EVERYTHING)

    return many(call, "domains", await call.world.ledger.read(look), domain_view)


async def list_own_systems(call: Call) -> Answer:
    user_id = call.who.user_id
    found = await call.world.ledger.read(lambda books: books.identity.assignments.targets(user_id, "system"))
    return Answer(200, {"system": [{"all": True}] if found else [], "links": links_object(call, EVERYTHING, ())})


async def _subject(call: Call) -> tuple[str, Caller]:
    """The token asked about; only its own user, an admin or a service may."""
    token = call.headers.get("x-subject-token")
    if not token:
        raise BadRequest("The header X-Subject-Token is missing.")
    try:
        caller = await call.world.tokens.caller(token)
    except NotAuthenticated:
        raise NotFound("Could not find token.") from None
    if caller.user_id != call.who.user_id and not call.who.roles & {"admin", "service"}:
        raise Forbidden()
    return token, caller
