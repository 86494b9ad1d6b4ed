"""Gives a role to a user or group on a project, a domain or the system, and takes it away. Lists none but those of one place.

One set of functions for all those paths: who and where is read from the path's own parameters.
"""

from kilonova.api.call import Answer, Call
from kilonova.api.identity.answers import change_identity, done, many
from kilonova.api.identity.needs import IdentityBook
from kilonova.api.identity.views import role_view
from kilonova.api.world import Books
from kilonova.errors import Forbidden, NotFound
from kilonova.model.identity import Assignment, Role
from kilonova.model.page import Condition


async def list_granted(call: Call) -> Answer:
    """The roles given there directly: neither implied nor inherited ones."""

    def look(books: Books) -> list[Role]:
        wanted = _assignment(call)
        _must_be_there(books, wanted)
        found = books.identity.assignments.find(
            (
                Condition("actor", wanted.actor),
                Condition("actor_id", wanted.actor_id),
                Condition("target", wanted.target),
                Condition("target_id", wanted.target_id),
                Condition("inherited", wanted.inherited),
            )
        )
        return books.identity.roles.all_of(assignment.role_id for assignment in found)

    return many(call, "roles", await call.world.ledger.read(look), role_view)


async def grant_role(call: Call) -> Answer:
    def change(books: Books) -> None:
        wanted = _assignment(call)
        _must_be_there(books, wanted)
        _must_stay_home(books.identity, wanted)
        books.identity.assignments.grant(wanted)

    await change_identity(call, change)
    return done()


async def check_role(call: Call) -> Answer:
    def look(books: Books) -> bool:
        wanted = _assignment(call)
        _must_be_there(books, wanted)
        return books.identity.assignments.has(wanted)

    if not await call.world.ledger.read(look):
        raise NotFound(f"Could not find role assignment with role: {call.path['role_id'][:64]}.")
    return done()


async def withdraw_role(call: Call) -> Answer:
    def change(books: Books) -> None:
        wanted = _assignment(call)
        _must_be_there(books, wanted)
        books.identity.assignments.withdraw(wanted)

    await change_identity(call, change)
    return done()


def _assignment(call: Call) -> Assignment:
    path = call.path
    target = "project" if "project_id" in path else "domain" if "domain_id" in path else "system"
    return Assignment(
        actor="user" if "user_id" in path else "group",
        actor_id=path.get("user_id") or path.get("group_id", ""),
        target=target,
        target_id=path.get("project_id") or path.get("domain_id", "all"),
        role_id=path.get("role_id", ""),
        inherited="/OS-INHERIT/" in call.url_path,
    )


def _must_stay_home(book: IdentityBook, assignment: Assignment) -> None:
    """Raises Forbidden for a domain's own role outside of its domain."""
    home = book.roles.get(assignment.role_id).domain_id
    if not home:
        return
    there = assignment.target_id
    if assignment.target == "project":
        there = book.projects.get(assignment.target_id).domain_id
    if there != home:
        raise Forbidden(f"What gets the role {assignment.role_id} must be in the same domain as the role.")


def _must_be_there(books: Books, assignment: Assignment) -> None:
    """Raises NotFound with the first that is missing."""
    identity = books.identity
    if assignment.role_id:
        identity.roles.get(assignment.role_id)
    if assignment.actor == "user":
        identity.users.get(assignment.actor_id)
    else:
        identity.groups.get(assignment.actor_id)
    if assignment.target == "project":
        identity.projects.get(assignment.target_id)
    elif assignment.target == "domain":
        identity.domains.get(assignment.target_id)
