"""What identity keeps beside its nouns, on SQLite and PostgreSQL: credentials, trusts, old passwords, failures, limits."""

from collections.abc import Iterator
from typing import Any

import pytest

from kilonova.errors import Conflict, Forbidden, NotFound
from kilonova.ledger.identity import Identity
from kilonova.model.identity import Assignment, Domain, Group, Project, Role, User
from kilonova.model.identity_credentials import AccessRule, AppCredential, Credential, Trust
from kilonova.model.identity_limits import Limit, RegisteredLimit
from kilonova.model.identity_passwords import Failures, PasswordRules
from kilonova.model.page import EVERYTHING
from tests.ledger.test_identity import engine, transaction, url  # noqa: F401 - fixtures

RULES = PasswordRules(unique_last_password_count=3, lockout_failure_attempts=2, lockout_duration=5)


@pytest.fixture
def book(engine: Any) -> Iterator[Identity]:  # noqa: F811 - the fixture
    with transaction(engine) as connection:
        identity = Identity(connection)
        identity.domains.add(Domain(id="default", name="Default"))
        identity.projects.add(Project(id="p", name="p", domain_id="default", parent_id="default"))
        for name in ("ann", "bob"):
            identity.users.add(User(id=name, name=name, domain_id="default", password_hash=f"{name}-0"))
        identity.groups.add(Group(id="crew", name="crew", domain_id="default"))
        for role in ("member", "reader"):
            identity.roles.add(Role(id=role, name=role))
        identity.roles.imply("member", "reader")
        identity.assignments.grant(_gives("user", "ann"))
        yield identity


def _gives(actor: str, actor_id: str, role_id: str = "member") -> Assignment:
    return Assignment(actor=actor, actor_id=actor_id, target="project", target_id="p", role_id=role_id)


def _credential(name: str, *roles: str, rules: tuple[str, ...] = ()) -> AppCredential:
    return AppCredential(
        id=name, user_id="ann", project_id="p", name=name, secret_hash="x", role_ids=roles, access_rule_ids=rules, expires_at=5.5
    )


def _trust(name: str, *roles: str, uses_left: int | None = None) -> Trust:
    return Trust(
        id=name, trustor_id="ann", trustee_id="bob", project_id="p", impersonation=True, role_ids=roles, uses_left=uses_left
    )


def test_they_come_back_as_they_went_in(book: Identity) -> None:
    rule = book.access_rules.add(AccessRule(id="r", user_id="ann", service="compute", method="GET", path="/v2.1/servers"))
    credential = book.app_credentials.add(_credential("robot", "reader", "member", rules=("r",)))
    trust = book.trusts.add(_trust("t", "reader"))
    kept = book.credentials.add(Credential(id="c", user_id="ann", type="cert", blob="x"))
    assert book.app_credentials.get("robot") == book.app_credentials.named("robot", "ann") == credential
    assert book.app_credentials.named("robot", "bob") is None
    assert book.access_rules.all_of(("r",)) == (rule,)
    assert (book.trusts.get("t"), book.credentials.get("c")) == (trust, kept)
    with pytest.raises(Conflict):
        book.app_credentials.add(AppCredential(id="2", user_id="ann", project_id="p", name="robot", secret_hash="x"))
    with pytest.raises(Conflict):
        book.credentials.add(kept)
    with pytest.raises(Forbidden):
        book.access_rules.remove("r")
    again = AccessRule(id="s", user_id="ann", service="compute", method="GET", path="/v2.1/servers")
    assert book.access_rules.same_or_new(again) == rule


def test_what_passes_on_a_lost_role_goes(book: Identity) -> None:
    book.assignments.grant(_gives("group", "crew", "reader"))
    book.groups.add_member("crew", "ann")
    book.app_credentials.add(_credential("all", "member", "reader"))
    book.app_credentials.add(_credential("little", "reader"))
    book.trusts.add(_trust("t", "member"))
    book.assignments.withdraw(_gives("user", "ann"))
    assert [record.id for record in book.app_credentials.find((), EVERYTHING)] == ["little"], "the group still gives that"
    assert book.trusts.find((), EVERYTHING) == []
    book.groups.remove("crew")
    assert book.app_credentials.find((), EVERYTHING) == []


def test_what_passes_on_a_removed_role_goes(book: Identity) -> None:
    book.app_credentials.add(_credential("all", "member", "reader"))
    book.app_credentials.add(_credential("little", "reader"))
    book.assignments.grant(_gives("user", "ann", "reader"))
    book.roles.remove("member")
    assert [record.id for record in book.app_credentials.find((), EVERYTHING)] == ["little"]


def test_all_goes_with_user_and_project(book: Identity) -> None:
    book.access_rules.add(AccessRule(id="r", user_id="ann", service="compute", method="GET", path="/"))
    book.app_credentials.add(_credential("robot", "reader"))
    book.trusts.add(_trust("t", "reader"))
    book.credentials.add(Credential(id="c", user_id="bob", type="cert", blob="x", project_id="p"))
    book.passwords.remember("ann", RULES)
    book.passwords.settle("ann", False, RULES, 1.0)
    book.users.remove("ann")
    for shelf in (book.access_rules, book.app_credentials, book.trusts):
        assert shelf.find((), EVERYTHING) == []
    assert book.passwords.failures("ann") == Failures()
    book.projects.remove("p")
    assert book.credentials.find((), EVERYTHING) == []


def test_uses_are_counted(book: Identity) -> None:
    book.trusts.add(_trust("endless", "reader"))
    book.trusts.add(_trust("twice", "reader", uses_left=2))
    for _ in range(2):
        book.trusts.use("endless")
        book.trusts.use("twice")
    assert (book.trusts.get("endless").uses_left, book.trusts.get("twice").uses_left) == (None, 0)
    with pytest.raises(NotFound):
        book.trusts.use("twice")


def test_only_so_many_old_passwords_are_kept(book: Identity) -> None:
    for number in range(1, 5):
        book.passwords.remember("ann", RULES)
        book.users.change("ann", {"password_hash": f"ann-{number}"})
    assert book.passwords.last("ann", 3) == ["ann-4", "ann-3", "ann-2"]
    assert book.passwords.last("ann", 9) == ["ann-4", "ann-3", "ann-2"], "the others are forgotten"
    assert book.passwords.last("ann", 1) == ["ann-4"]
    assert book.passwords.last("ann", 0) == []
    book.passwords.remember("ann", PasswordRules())
    assert book.passwords.last("ann", 9) == ["ann-4"], "nothing is kept once it is off"
    assert book.passwords.last("bob", 3) == ["bob-0"]


def test_failures(book: Identity) -> None:
    assert book.passwords.settle("ann", True, RULES, 1.0)
    assert not book.passwords.settle("ann", False, RULES, 1.0)
    assert not book.passwords.settle("ann", False, RULES, 2.0)
    assert book.passwords.failures("ann") == Failures(2, 2.0)
    assert not book.passwords.settle("ann", True, RULES, 3.0), "locked"
    assert book.passwords.failures("ann") == Failures(2, 2.0), "and nothing makes that longer"
    assert book.passwords.settle("ann", True, RULES, 7.0)
    assert book.passwords.failures("ann") == Failures()
    assert book.passwords.failures("bob") == Failures()


def test_limits(book: Identity) -> None:
    about = {"service_id": "s", "resource_name": "cores"}
    with pytest.raises(Forbidden):
        book.limits.add(Limit(id="l", resource_limit=1, project_id="p", **about))
    book.registered_limits.add(RegisteredLimit(id="r", default_limit=1, **about))
    book.limits.add(Limit(id="l", resource_limit=1, project_id="p", **about))
    with pytest.raises(Conflict):
        book.limits.add(Limit(id="m", resource_limit=1, project_id="p", **about))
    for change in (lambda: book.registered_limits.remove("r"), lambda: book.registered_limits.change("r", {"region_id": "x"})):
        with pytest.raises(Forbidden):
            change()
    book.projects.remove("p")
    assert book.limits.find((), EVERYTHING) == []
    book.registered_limits.remove("r")
