"""Who may call what: four rules, and the check. Each service has one table from handler to rule."""

from collections.abc import Mapping
from enum import Enum

from kilonova.api.call import Call, Handler
from kilonova.errors import Forbidden, NotAuthenticated


class Right(Enum):
    """What a caller must be. Every rule above ANYONE also needs a good token."""

    ANYONE = "no token needed"
    TOKEN = "any good token, also one without a project"
    READER = "reader in the project"
    MEMBER = "member in the project"
    ADMIN = "admin"


Rights = Mapping[Handler, Right]

_ROLE = {Right.READER: "reader", Right.MEMBER: "member", Right.ADMIN: "admin"}


def check(call: Call, right: Right) -> None:
    """Raises NotAuthenticated or Forbidden when the caller lacks `right`."""
    if right is Right.ANYONE:
        return
    if call.caller is None:
        raise NotAuthenticated()
    role = _ROLE.get(right)
    if role is not None and role not in call.caller.roles:
        raise Forbidden("You are not authorized to perform the requested action.")
    if right in (Right.READER, Right.MEMBER) and not call.caller.project_id and not call.caller.is_admin:
        raise Forbidden("This action needs a token that is scoped to a project.")
