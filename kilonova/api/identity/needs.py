"""What the identity service asks of its book in a transaction, as Protocols: a shelf per noun, and who has which role."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from kilonova.model.identity import (
    Assignment,
    CatalogService,
    Domain,
    Endpoint,
    Group,
    Project,
    Region,
    Role,
    User,
)
from kilonova.model.identity_credentials import AccessRule, AppCredential, Credential, Trust
from kilonova.model.identity_limits import Limit, RegisteredLimit
from kilonova.model.identity_passwords import Failures, PasswordRules
from kilonova.model.page import Condition, Page

Record = TypeVar("Record")


class Shelf(Protocol[Record]):
    """All records of one noun. Rules of the noun (unique names, known parents, what goes with a removal) are kept here."""

    def get(self, record_id: str) -> Record:
        """Raises NotFound in Keystone's words."""
        ...

    def find(self, where: Sequence[Condition], page: Page) -> list[Record]:
        """Raises BadRequest when the page's marker is not there."""
        ...

    def add(self, record: Record) -> Record:
        """Raises Conflict when the name is taken, NotFound or BadRequest when what it refers to is not there."""
        ...

    def change(self, record_id: str, fields: Mapping[str, object]) -> Record:
        """The record as it is now. Raises as `get` and `add` do."""
        ...

    def remove(self, record_id: str) -> None:
        """With everything that hangs on it. Raises NotFound, or Forbidden when it must not go."""
        ...


class Domains(Shelf[Domain], Protocol):
    def named(self, name: str) -> Domain | None: ...


class Projects(Shelf[Project], Protocol):
    def named(self, name: str, domain_id: str) -> Project | None: ...

    def ancestors(self, project: Project) -> list[Project]:
        """Parent, its parent, …; the domain is not among them."""
        ...

    def below(self, project_id: str) -> list[Project]:
        """Every project under this one."""
        ...


class Users(Shelf[User], Protocol):
    def named(self, name: str, domain_id: str) -> User | None: ...


class Groups(Shelf[Group], Protocol):
    def members(self, group_id: str) -> list[User]: ...

    def of_user(self, user_id: str) -> list[Group]: ...

    def has_member(self, group_id: str, user_id: str) -> bool: ...

    def add_member(self, group_id: str, user_id: str) -> None: ...

    def remove_member(self, group_id: str, user_id: str) -> None:
        """Raises NotFound when the user is no member."""
        ...


class Roles(Shelf[Role], Protocol):
    def all_of(self, role_ids: Iterable[str]) -> list[Role]:
        """In the order of their names."""
        ...

    def implications(self) -> dict[str, set[str]]:
        """Role id → ids of the roles it brings along directly."""
        ...

    def imply(self, role_id: str, implied_id: str) -> None: ...

    def stop_implying(self, role_id: str, implied_id: str) -> None:
        """Raises NotFound."""
        ...


class Assignments(Protocol):
    """Who has which role where."""

    def find(self, where: Sequence[Condition]) -> list[Assignment]: ...

    def has(self, assignment: Assignment) -> bool: ...

    def grant(self, assignment: Assignment) -> None:
        """Once is enough: granted again, nothing changes."""
        ...

    def withdraw(self, assignment: Assignment) -> None:
        """Raises NotFound."""
        ...

    def effective(self, user_id: str, target: str, target_id: str) -> list[Role]:
        """The user's roles there: own, of groups, inherited from above, implied. In the order of their names."""
        ...

    def targets(self, user_id: str, target: str) -> list[str]:
        """Ids of the projects (or domains) on which the user has any role."""
        ...


class AppCredentials(Shelf[AppCredential], Protocol):
    def named(self, name: str, user_id: str) -> AppCredential | None: ...


class AccessRules(Shelf[AccessRule], Protocol):
    def all_of(self, rule_ids: Iterable[str]) -> tuple[AccessRule, ...]:
        """In the order of the ids. Raises NotFound."""
        ...

    def same_or_new(self, rule: AccessRule) -> AccessRule:
        """The user's rule that says the same, else this one, kept."""
        ...


class Trusts(Shelf[Trust], Protocol):
    def use(self, trust_id: str) -> None:
        """Takes one of its uses, where they are counted. Raises NotFound when none is left."""
        ...


class Passwords(Protocol):
    """What is remembered of passwords beside the present one."""

    def last(self, user_id: str, count: int) -> list[str]:
        """The hashes of the user's `count` last passwords, the present one first."""
        ...

    def remember(self, user_id: str, rules: PasswordRules) -> None:
        """The present password becomes an old one."""
        ...

    def failures(self, user_id: str) -> Failures: ...

    def settle(self, user_id: str, right: bool, rules: PasswordRules, now: float) -> bool:
        """May the user in? Counts what was wrong, forgets it when all is right again; while locked nothing is right."""
        ...

    def forget_failures(self, user_id: str) -> None: ...


class Revocations(Protocol):
    """Tokens that were revoked before their time."""

    def add(self, audit_id: str, expires_at: float) -> None: ...

    def has(self, audit_id: str) -> bool: ...

    def forget_expired(self, now: float) -> None: ...


class IdentityBook(Protocol):
    """Everything about identity in one transaction."""

    def epoch(self) -> int:
        """Grows with every change that may alter what a token is good for, whichever process made it."""
        ...

    @property
    def domains(self) -> Domains: ...

    @property
    def projects(self) -> Projects: ...

    @property
    def users(self) -> Users: ...

    @property
    def groups(self) -> Groups: ...

    @property
    def passwords(self) -> Passwords: ...

    @property
    def app_credentials(self) -> AppCredentials: ...

    @property
    def access_rules(self) -> AccessRules: ...

    @property
    def credentials(self) -> Shelf[Credential]: ...

    @property
    def trusts(self) -> Trusts: ...

    @property
    def registered_limits(self) -> Shelf[RegisteredLimit]: ...

    @property
    def limits(self) -> Shelf[Limit]: ...

    @property
    def roles(self) -> Roles: ...

    @property
    def assignments(self) -> Assignments: ...

    @property
    def revocations(self) -> Revocations: ...

    @property
    def regions(self) -> Shelf[Region]: ...

    @property
    def services(self) -> Shelf[CatalogService]: ...

    @property
    def endpoints(self) -> Shelf[Endpoint]: ...
