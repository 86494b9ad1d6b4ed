"""Passwords a user had before, and how often one was wrong. Hashes only; whether one matches is not decided here."""

from sqlalchemy import Connection, delete, insert, select

from kilonova.ledger import identity_tables as t
from kilonova.ledger.identity_people import Users
from kilonova.model.identity_passwords import Failures, PasswordRules


class Passwords:
    """What is remembered of passwords beside the present one."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def last(self, user_id: str, count: int) -> list[str]:
        """The hashes of the user's `count` last passwords, the present one first."""
        o = t.old_passwords.c
        query = select(o.password_hash).where(o.user_id == user_id).order_by(o.id.desc()).limit(max(count - 1, 0))
        present = Users(self._connection).get(user_id).password_hash
        return [hashed for hashed in (present, *self._connection.execute(query).scalars()) if hashed][: max(count, 0)]

    def remember(self, user_id: str, rules: PasswordRules) -> None:
        """The present password becomes an old one; no more are kept than the rules ask for."""
        keep = max(rules.unique_last_password_count - 1, 0)
        present, o = Users(self._connection).get(user_id).password_hash, t.old_passwords.c
        if present and keep:
            self._connection.execute(insert(t.old_passwords).values(user_id=user_id, password_hash=present))
        kept = (
            self._connection.execute(select(o.id).where(o.user_id == user_id).order_by(o.id.desc()).limit(keep)).scalars().all()
        )
        self._connection.execute(delete(t.old_passwords).where(o.user_id == user_id, o.id.not_in(kept)))

    def failures(self, user_id: str) -> Failures:
        f = t.failed_logins.c
        row = self._connection.execute(select(f.failures, f.last_at).where(f.user_id == user_id)).first()
        return Failures() if row is None else Failures(row.failures, row.last_at)

    def settle(self, user_id: str, right: bool, rules: PasswordRules, now: float) -> bool:
        """May the user in? Counts what was wrong, forgets it when all is right again; while locked nothing is right."""
        failures = self.failures(user_id)
        if rules.is_locked(failures, now):
            return False
        self.forget_failures(user_id)
        if not right:
            after = rules.after_failure(failures, now)
            self._connection.execute(insert(t.failed_logins).values(user_id=user_id, failures=after.count, last_at=after.last_at))
        return right

    def forget_failures(self, user_id: str) -> None:
        self._connection.execute(delete(t.failed_logins).where(t.failed_logins.c.user_id == user_id))
