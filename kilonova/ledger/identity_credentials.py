"""Application credentials with their access rules, trusts, and the secrets users keep here. Checks no secret.

A credential or trust is removed with the user, the project, or the role it stands on.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, select, update

from kilonova.errors import Conflict, Forbidden, NotFound
from kilonova.ledger import identity_tables as t
from kilonova.ledger.identity_shelf import Record, Shelf
from kilonova.model.identity_credentials import AccessRule, AppCredential, Credential, Trust
from kilonova.model.page import EVERYTHING, Condition


class AppCredentials(Shelf[AppCredential]):
    """Unique by name for each user."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, t.app_credentials, AppCredential, "application credential")

    def named(self, name: str, user_id: str) -> AppCredential | None:
        query = select(self._table).where(self._table.c.name == name, self._table.c.user_id == user_id)
        row = self._connection.execute(query).first()
        return None if row is None else self._as_record(row._mapping)

    def _twins(self, record: AppCredential) -> Mapping[str, object]:
        return {"name": record.name, "user_id": record.user_id}

    def _twin_message(self, record: AppCredential) -> str:
        return f"Duplicate entry found with name {record.name}"

    def _as_record(self, row: Mapping[Any, Any]) -> AppCredential:
        return _with_tuples(AppCredential, row, "role_ids", "access_rule_ids")


class AccessRules(Shelf[AccessRule]):
    """One of a kind for each user."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, t.access_rules, AccessRule, "access rule")

    def all_of(self, rule_ids: Iterable[str]) -> tuple[AccessRule, ...]:
        """In the order of the ids. Raises NotFound."""
        return tuple(self.get(rule_id) for rule_id in rule_ids)

    def same_or_new(self, rule: AccessRule) -> AccessRule:
        """The user's rule that says the same, else this one, kept."""
        fields = ("user_id", "service", "method", "path")
        found = self.find([Condition(name, getattr(rule, name)) for name in fields], EVERYTHING)
        return found[0] if found else self.add(rule)

    def remove(self, record_id: str) -> None:
        """Raises Forbidden while a credential uses it, as Keystone does."""
        rule = self.get(record_id)
        users = AppCredentials(self._connection).find([Condition("user_id", rule.user_id)], EVERYTHING)
        if any(record_id in credential.access_rule_ids for credential in users):
            raise Forbidden(f"The access rule {record_id} is used by an application credential.")
        super().remove(record_id)


class Credentials(Shelf[Credential]):
    """Secrets kept for other programs."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, t.credentials, Credential, "credential")

    def _check(self, record: Credential) -> None:
        if self._connection.execute(select(self._table.c.id).where(self._table.c.id == record.id)).first():
            raise Conflict(f"Conflict occurred attempting to store credential - Duplicate entry found with ID {record.id}.")


class Trusts(Shelf[Trust]):
    """Who may act for whom."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, t.trusts, Trust, "trust")

    def use(self, trust_id: str) -> None:
        """Takes one of its uses, where they are counted. Raises NotFound when none is left."""
        trust = self.get(trust_id)
        if trust.uses_left is None:
            return
        if trust.uses_left <= 0:
            raise NotFound(f"Could not find trust: {trust_id[:64]}.")
        self._connection.execute(update(self._table).where(self._table.c.id == trust_id).values(uses_left=trust.uses_left - 1))

    def _as_record(self, row: Mapping[Any, Any]) -> Trust:
        return _with_tuples(Trust, row, "role_ids")


def drop_unfounded(connection: Connection, effective: Callable[[str, str], set[str]], user_ids: Iterable[str] | None) -> None:
    """Removes the application credentials and trusts whose user has lost one of the roles they give.

    `effective` (user id, project id) tells the ids of the roles a user has in a project; `user_ids` None: everyone is looked at.
    """
    wanted = None if user_ids is None else set(user_ids)
    if wanted is not None and not wanted:
        return
    kinds: tuple[tuple[Shelf[Any], str], ...] = ((AppCredentials(connection), "user_id"), (Trusts(connection), "trustor_id"))
    for shelf, owner in kinds:
        where = [] if wanted is None else [Condition(owner, tuple(wanted), "in")]
        for record in shelf.find(where, EVERYTHING):
            if not set(record.role_ids) <= effective(getattr(record, owner), record.project_id):
                shelf.remove(record.id)


def _with_tuples(kind: type[Record], row: Mapping[Any, Any], *names: str) -> Record:
    """Packed columns come back as lists."""
    return kind(**{**row, **{name: tuple(row[name]) for name in names}})
