"""What must be there before the first token: default domain, roles, an admin and its project. Changes nothing it finds."""

from typing import Protocol

from msgspec import Struct

from kilonova.api.identity.answers import new_id
from kilonova.api.identity.needs import IdentityBook
from kilonova.errors import NotFound
from kilonova.model.identity import DEFAULT_DOMAIN_ID, IMPLIED_ROLES, ROLES, Assignment, Domain, Project, Region, Role, User
from kilonova.model.page import Condition, Page


class HasIdentity(Protocol):
    """A transaction, as far as this is concerned."""

    @property
    def identity(self) -> IdentityBook: ...


class Bootstrapped(Struct, frozen=True):
    """Ids of the admin and its project."""

    user_id: str
    project_id: str


def bootstrap(books: HasIdentity, *, admin_password_hash: str, public_url: str, region: str) -> Bootstrapped:
    """Run at every start; an admin that is there keeps its password. `public_url` is not stored: the catalogue follows it."""
    book = books.identity
    _add_domain(book)
    _add_region(book, region)
    roles = _add_roles(book)
    project = book.projects.named("admin", DEFAULT_DOMAIN_ID) or book.projects.add(
        Project(
            id=new_id(),
            name="admin",
            domain_id=DEFAULT_DOMAIN_ID,
            parent_id=DEFAULT_DOMAIN_ID,
            description="Bootstrap project for initializing the cloud.",
        )
    )
    user = book.users.named("admin", DEFAULT_DOMAIN_ID)
    if user is None:
        user = book.users.add(User(id=new_id(), name="admin", domain_id=DEFAULT_DOMAIN_ID, password_hash=admin_password_hash))
        for target, target_id in (("project", project.id), ("domain", DEFAULT_DOMAIN_ID), ("system", "all")):
            book.assignments.grant(
                Assignment(actor="user", actor_id=user.id, target=target, target_id=target_id, role_id=roles["admin"])
            )
    return Bootstrapped(user.id, project.id)


def _add_domain(book: IdentityBook) -> None:
    try:
        book.domains.get(DEFAULT_DOMAIN_ID)
    except NotFound:
        book.domains.add(Domain(id=DEFAULT_DOMAIN_ID, name="Default", description="The default domain"))


def _add_region(book: IdentityBook, region: str) -> None:
    try:
        book.regions.get(region)
    except NotFound:
        book.regions.add(Region(id=region))


def _add_roles(book: IdentityBook) -> dict[str, str]:
    """Name → id."""
    known: dict[str, str] = {}
    for name in ROLES:
        found = book.roles.find((Condition("name", name),), Page(limit=1))
        known[name] = (found[0] if found else book.roles.add(Role(id=new_id(), name=name))).id
    for role, implied in IMPLIED_ROLES:
        book.roles.imply(known[role], known[implied])
    return known
