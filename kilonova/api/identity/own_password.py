"""``POST /v3/users/{id}/password``: who knows the old password sets a new one. An admin's reset is in `users.py`."""

from kilonova.api.call import Answer, Call
from kilonova.api.identity.answers import change_identity, done
from kilonova.api.identity.bodies import read_object
from kilonova.api.identity.password_check import check_password
from kilonova.api.identity.schemas import PasswordChange
from kilonova.api.world import Books
from kilonova.errors import BadRequest, NotAuthenticated, NotFound
from kilonova.model.identity import User


async def change_password(call: Call) -> Answer:
    """No token needed. All tokens of the user lose their force."""
    body, _ = read_object(call, "user", PasswordChange)
    known, enabled = await call.world.ledger.read(lambda books: _look(books, call.path["user_id"]))
    user = await check_password(call, known, body.original_password)
    if not enabled:
        raise NotAuthenticated()
    if user.options.get("lock_password"):
        raise BadRequest("You cannot change your password at this time due to the lock_password option of this user.")
    await _refuse_earlier(call, user.id, body.password)
    fields = {"password_hash": await call.world.passwords.hash(body.password), "tokens_from": call.world.now()}

    def change(books: Books) -> None:
        books.identity.passwords.remember(user.id, call.world.password_rules)
        books.identity.users.change(user.id, fields)

    await change_identity(call, change)
    return done()


async def _refuse_earlier(call: Call, user_id: str, password: str) -> None:
    """Raises BadRequest when it is one of the last so many."""
    count = call.world.password_rules.unique_last_password_count
    for hashed in await call.world.ledger.read(lambda books: books.identity.passwords.last(user_id, count)):
        if await call.world.passwords.matches(password, hashed):
            raise BadRequest(
                "The new password cannot be identical to a previous password. The total number which includes the new "
                f"password must be unique is {count}."
            )


def _look(books: Books, user_id: str) -> tuple[User | None, bool]:
    try:
        user = books.identity.users.get(user_id)
        return user, user.enabled and books.identity.domains.get(user.domain_id).enabled
    except NotFound:
        return None, False
