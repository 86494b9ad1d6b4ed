"""Whether a password is the user's, and may be used now. Says no in one way, whatever the reason."""

from kilonova.api.call import Call
from kilonova.errors import NotAuthenticated
from kilonova.model.identity import User


async def check_password(call: Call, user: User | None, password: str) -> User:
    """The user, whose password it is. Raises NotAuthenticated: no such user, a wrong password, or locked out after too many.

    An unknown or locked user takes as long as a wrong password.
    """
    right = await call.world.passwords.matches(password, user.password_hash if user else "")
    if user is None:
        raise NotAuthenticated()
    if not await _may_in(call, user, right):
        raise NotAuthenticated()
    return user


async def _may_in(call: Call, user: User, right: bool) -> bool:
    rules, now = call.world.password_rules, call.world.now()
    if not rules.lockout_failure_attempts or user.options.get("ignore_lockout_failure_attempts"):
        return right
    if right:
        failures = await call.world.ledger.read(lambda books: books.identity.passwords.failures(user.id))
        if not failures.count:
            return True
    return await call.world.ledger.write(lambda books: books.identity.passwords.settle(user.id, right, rules, now))
