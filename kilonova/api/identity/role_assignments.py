"""``GET /v3/role_assignments``: who has which role where, as given or as it works out. Gives and takes no role."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from kilonova.api.call import Answer, Call
from kilonova.api.identity.needs import IdentityBook
from kilonova.api.identity.views import View, base
from kilonova.api.paging import links_object, read_flag
from kilonova.api.world import Books
from kilonova.errors import BadRequest
from kilonova.model.identity import Assignment, with_implied
from kilonova.model.page import EVERYTHING, Condition


async def list_role_assignments(call: Call) -> Answer:
    _refuse_contradictions(call)
    effective = bool(read_flag(call, "effective"))
    names = bool(read_flag(call, "include_names"))

    def look(books: Books) -> list[View]:
        book = books.identity
        found: Iterable[Assignment] = book.assignments.find(())
        if effective:
            found = _worked_out(book, found)
        show = _Names(book) if names else None
        return [_view(assignment, base(call), show) for assignment in _filtered(call, book, found)]

    found = await call.world.ledger.read(look)
    return Answer(200, {"role_assignments": found, "links": links_object(call, EVERYTHING, ())})


def _refuse_contradictions(call: Call) -> None:
    if call.param("user.id") and call.param("group.id"):
        raise BadRequest("Specify a user or group, not both.")
    if call.param("group.id") and read_flag(call, "effective"):
        raise BadRequest("Combining effective and group filter will always result in an empty list.")
    if sum(1 for name in ("scope.project.id", "scope.domain.id", "scope.system") if call.param(name)) > 1:
        raise BadRequest("Specify a domain or project or system, only one of them.")
    if read_flag(call, "include_subtree") and not call.param("scope.project.id"):
        raise BadRequest("scope.project.id must be specified if include_subtree is also specified.")


def _filtered(call: Call, book: IdentityBook, found: Iterable[Assignment]) -> Iterator[Assignment]:
    exact = {
        ("user", "actor_id"): call.param("user.id"),
        ("group", "actor_id"): call.param("group.id"),
        ("domain", "target_id"): call.param("scope.domain.id"),
        ("system", "target_id"): "all" if call.param("scope.system") else None,
    }
    wanted = {kind: value for kind, value in exact.items() if value}
    projects = {project for project in (call.param("scope.project.id"),) if project}
    if projects and read_flag(call, "include_subtree"):
        projects |= {project.id for top in tuple(projects) for project in book.projects.below(top)}
    role_id = call.param("role.id")
    inherited = call.param("scope.OS-INHERIT:inherited_to") == "projects"
    for assignment in found:
        if role_id and assignment.role_id != role_id:
            continue
        if inherited and not assignment.inherited:
            continue
        if projects and (assignment.target != "project" or assignment.target_id not in projects):
            continue
        if all(_is(assignment, kind, value) for (kind, _), value in wanted.items()):
            yield assignment


def _is(assignment: Assignment, kind: str, value: str) -> bool:
    if kind in ("user", "group"):
        return assignment.actor == kind and assignment.actor_id == value
    return assignment.target == kind and assignment.target_id == value


def _worked_out(book: IdentityBook, given: Iterable[Assignment]) -> list[Assignment]:
    """Groups become their members, inheritance becomes the projects below, a role becomes all it brings along."""
    implications = book.roles.implications()
    everyones = {role.id for role in book.roles.find((Condition("domain_id", ""),), EVERYTHING)}
    found: dict[Assignment, None] = {}
    for assignment in given:
        actors = [assignment.actor_id]
        if assignment.actor == "group":
            actors = [user.id for user in book.groups.members(assignment.actor_id)]
        targets = [(assignment.target, assignment.target_id)]
        if assignment.inherited:
            targets = [("project", project_id) for project_id in _below(book, assignment)]
        for actor_id in actors:
            for target, target_id in targets:
                for role_id in sorted(with_implied({assignment.role_id}, implications) & everyones):
                    found[Assignment(actor="user", actor_id=actor_id, target=target, target_id=target_id, role_id=role_id)] = None
    return list(found)


def _below(book: IdentityBook, assignment: Assignment) -> list[str]:
    if assignment.target == "domain":
        return [project.id for project in book.projects.find((Condition("domain_id", assignment.target_id),), EVERYTHING)]
    return [project.id for project in book.projects.below(assignment.target_id)]


def _view(assignment: Assignment, root: str, names: "_Names | None") -> View:
    inherit = "/OS-INHERIT" if assignment.inherited else ""
    where = "system" if assignment.target == "system" else f"{assignment.target}s/{assignment.target_id}"
    link = f"{root}{inherit}/{where}/{assignment.actor}s/{assignment.actor_id}/roles/{assignment.role_id}"
    scope: View = {"system": {"all": True}}
    if assignment.target != "system":
        target = {"id": assignment.target_id}
        scope = {assignment.target: names.of(assignment.target, target["id"]) if names else target}
    if assignment.inherited:
        scope["OS-INHERIT:inherited_to"] = "projects"
        link += "/inherited_to_projects"
    return {
        "role": names.of("role", assignment.role_id) if names else {"id": assignment.role_id},
        assignment.actor: names.of(assignment.actor, assignment.actor_id) if names else {"id": assignment.actor_id},
        "scope": scope,
        "links": {"assignment": link},
    }


@dataclass
class _Names:
    """Looks up names once each."""

    book: IdentityBook
    known: dict[tuple[str, str], View] = field(default_factory=dict)

    def of(self, kind: str, record_id: str) -> View:
        key = (kind, record_id)
        if key not in self.known:
            self.known[key] = self._look_up(kind, record_id)
        return self.known[key]

    def _look_up(self, kind: str, record_id: str) -> View:
        if kind == "role":
            return {"id": record_id, "name": self.book.roles.get(record_id).name}
        if kind == "domain":
            return {"id": record_id, "name": self.book.domains.get(record_id).name}
        record = (
            self.book.users.get(record_id)
            if kind == "user"
            else self.book.groups.get(record_id)
            if kind == "group"
            else self.book.projects.get(record_id)
        )
        return {"id": record_id, "name": record.name, "domain": self.of("domain", record.domain_id)}
