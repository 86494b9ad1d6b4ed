"""What application credentials and trusts share: who may pass on rights at all, which roles, and until when."""

from datetime import UTC, datetime

from kilonova.api.call import Call
from kilonova.api.identity.needs import IdentityBook
from kilonova.api.identity.schemas_credentials import RoleRef
from kilonova.errors import BadRequest, Forbidden
from kilonova.model.page import Condition, Page


def may_delegate(call: Call) -> None:
    """Raises Forbidden for a token that was itself got by delegation, but for an unrestricted application credential's."""
    use = call.who.app_credential
    if use is not None and not use.unrestricted:
        raise Forbidden(
            "Using method application_credential is not allowed for managing additional application credentials or trusts."
        )
    if call.who.trust is not None:
        raise Forbidden("A token got by a trust cannot pass on what it was trusted with.")


def only_self(call: Call, user_id: str) -> None:
    """Raises Forbidden: no admin does this for somebody."""
    if call.who.user_id != user_id:
        raise Forbidden()


def own_roles(call: Call, book: IdentityBook, wanted: list[RoleRef]) -> tuple[str, ...]:
    """Ids of the roles named. Raises BadRequest when the caller's token does not have one of them."""
    mine = {role_id for role_id, _ in call.who.role_ids}
    found: dict[str, None] = {}
    for ref in wanted:
        role_id = ref.id or _named(book, ref.name)
        if role_id not in mine:
            raise BadRequest(f"Could not find role assignment with role: {(ref.id or ref.name or '')[:64]}, in this project.")
        found[role_id] = None
    return tuple(found)


def _named(book: IdentityBook, name: str | None) -> str:
    if not name:
        raise BadRequest("A role needs an id or a name.")
    found = book.roles.find((Condition("name", name),), Page(limit=1))
    return found[0].id if found else ""


def expiry(call: Call, text: str | None) -> float | None:
    """ISO 8601, UTC where no zone is named. Raises BadRequest when it is no moment, or over."""
    if text is None:
        return None
    try:
        read = datetime.fromisoformat(text)
        moment = (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise BadRequest("The 'expires_at' must not be before now, and in the form YYYY-MM-DDTHH:MM:SS.ffffffZ.") from None
    if moment <= call.world.now():
        raise BadRequest("The 'expires_at' must not be before now. The server could not comply with the request.")
    return moment
