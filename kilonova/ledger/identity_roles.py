"""Roles, which brings along which, who has which where, and which tokens were revoked. Decides no rights."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, insert, or_, select

from kilonova.errors import Forbidden, NotFound
from kilonova.ledger import identity_tables as t
from kilonova.ledger.identity_credentials import drop_unfounded
from kilonova.ledger.identity_epoch import count_up
from kilonova.ledger.identity_realms import Domains, Projects
from kilonova.ledger.identity_shelf import Shelf
from kilonova.ledger.paging import compare
from kilonova.model.identity import Assignment, Role, with_implied
from kilonova.model.page import Condition

# Built once: every token that is looked at asks these.
_IMPLICATIONS = select(t.implications)
_ROLES_OF = select(t.roles).where(t.roles.c.id.in_(bindparam("wanted", expanding=True))).order_by(t.roles.c.name)
_REVOKED = select(t.revocations.c.audit_id).where(t.revocations.c.audit_id == bindparam("wanted"))


class Roles(Shelf[Role]):
    """Names of what one may be in a project."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, t.roles, Role, "role")

    def all_of(self, role_ids: Iterable[str]) -> list[Role]:
        """In the order of their names."""
        rows = self._connection.execute(_ROLES_OF, {"wanted": list(role_ids)})
        return [self._as_record(row._mapping) for row in rows]

    def implications(self) -> dict[str, set[str]]:
        """Role id → ids of the roles it brings along directly."""
        found: dict[str, set[str]] = {}
        for row in self._connection.execute(_IMPLICATIONS):
            found.setdefault(row.role_id, set()).add(row.implied_id)
        return found

    def imply(self, role_id: str, implied_id: str) -> None:
        """Once is enough. Raises NotFound, and Forbidden where everyone's role would bring along one domain's."""
        prior, implied = self.get(role_id), self.get(implied_id)
        if implied.domain_id and not prior.domain_id:
            raise Forbidden(f"The role {role_id} is everyone's and cannot imply {implied_id}, which is a domain's own.")
        if implied_id not in self.implications().get(role_id, set()):
            self._connection.execute(insert(t.implications).values(role_id=role_id, implied_id=implied_id))
            count_up(self._connection)

    def stop_implying(self, role_id: str, implied_id: str) -> None:
        i = t.implications.c
        gone = self._connection.execute(delete(t.implications).where(i.role_id == role_id, i.implied_id == implied_id))
        if gone.rowcount == 0:
            raise NotFound(f"{role_id[:64]} does not imply {implied_id[:64]}.")
        count_up(self._connection)

    def remove(self, record_id: str) -> None:
        """With all that gave it to someone, and the credentials and trusts that pass it on."""
        super().remove(record_id)
        drop_what_lost_its_roles(self._connection, None)

    def _check(self, record: Role) -> None:
        if record.domain_id:
            Domains(self._connection).get(record.domain_id)

    def _twins(self, record: Role) -> Mapping[str, object]:
        return {"name": record.name}

    def _twin_message(self, record: Role) -> str:
        return f"Duplicate entry found with name {record.name}"


class Assignments:
    """Who has which role where."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, where: Sequence[Condition]) -> list[Assignment]:
        query = select(t.assignments).where(*(compare(t.assignments, condition) for condition in where))
        rows = self._connection.execute(query.order_by(*t.assignments.primary_key.columns))
        return [Assignment(**row._mapping) for row in rows]

    def has(self, assignment: Assignment) -> bool:
        return self._connection.execute(select(t.assignments.c.role_id).where(_is(assignment))).first() is not None

    def grant(self, assignment: Assignment) -> None:
        """Once is enough: granted again, nothing changes."""
        if not self.has(assignment):
            self._connection.execute(insert(t.assignments).values(msgspec.structs.asdict(assignment)))
            count_up(self._connection)

    def withdraw(self, assignment: Assignment) -> None:
        gone = self._connection.execute(delete(t.assignments).where(_is(assignment)))
        if gone.rowcount == 0:
            raise NotFound(
                f"Could not find role assignment with role: {assignment.role_id[:64]}, user or group: "
                f"{assignment.actor_id[:64]}, project, domain, or system: {assignment.target_id[:64]}."
            )
        count_up(self._connection)
        drop_what_lost_its_roles(self._connection, self._users(assignment))

    def effective(self, user_id: str, target: str, target_id: str) -> list[Role]:
        """The user's roles there: own, of groups, inherited from above, implied; no domain's own. In the order of their names."""
        query = select(t.assignments.c.role_id).where(self._actors(user_id), self._reaching(target, target_id))
        direct = set(self._connection.execute(query).scalars())
        if not direct:
            return []
        roles = Roles(self._connection)
        return [role for role in roles.all_of(with_implied(direct, roles.implications())) if not role.domain_id]

    def targets(self, user_id: str, target: str) -> list[str]:
        """Ids of the projects (or domains) on which the user has any role."""
        query = select(t.assignments).where(self._actors(user_id))
        found: set[str] = set()
        for row in self._connection.execute(query).all():
            if row.target == target and not row.inherited:
                found.add(row.target_id)
            elif row.inherited and target == "project":
                found.update(self._projects_below(row.target, row.target_id))
        return sorted(found)

    def _users(self, assignment: Assignment) -> list[str]:
        if assignment.actor == "user":
            return [assignment.actor_id]
        m = t.members.c
        return list(self._connection.execute(select(m.user_id).where(m.group_id == assignment.actor_id)).scalars())

    def _projects_below(self, target: str, target_id: str) -> list[str]:
        if target == "domain":
            return list(self._connection.execute(select(t.projects.c.id).where(t.projects.c.domain_id == target_id)).scalars())
        return [project.id for project in Projects(self._connection).below(target_id)]

    def _actors(self, user_id: str) -> ColumnElement[bool]:
        """The user, or a group it is in."""
        a = t.assignments.c
        groups = select(t.members.c.group_id).where(t.members.c.user_id == user_id)
        return or_(and_(a.actor == "user", a.actor_id == user_id), and_(a.actor == "group", a.actor_id.in_(groups)))

    def _reaching(self, target: str, target_id: str) -> ColumnElement[bool]:
        """There itself, or inherited from a project or domain above it."""
        a = t.assignments.c
        here = and_(a.target == target, a.target_id == target_id, a.inherited.is_(False))
        if target != "project":
            return here
        projects = Projects(self._connection)
        project = projects.get(target_id)
        above = [ancestor.id for ancestor in projects.ancestors(project)]
        inherited = or_(
            and_(a.target == "domain", a.target_id == project.domain_id),
            and_(a.target == "project", a.target_id.in_(above)),
        )
        return or_(here, and_(a.inherited.is_(True), inherited))


class Revocations:
    """Tokens that were revoked before their time, by audit id."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, audit_id: str, expires_at: float) -> None:
        if not self.has(audit_id):
            self._connection.execute(insert(t.revocations).values(audit_id=audit_id, expires_at=expires_at))
            count_up(self._connection)

    def has(self, audit_id: str) -> bool:
        return self._connection.execute(_REVOKED, {"wanted": audit_id}).first() is not None

    def forget_expired(self, now: float) -> None:
        """An expired token needs no revocation."""
        self._connection.execute(delete(t.revocations).where(t.revocations.c.expires_at < now))


def _is(assignment: Assignment) -> ColumnElement[bool]:
    return and_(*(t.assignments.c[name] == value for name, value in msgspec.structs.asdict(assignment).items()))


def drop_what_lost_its_roles(connection: Connection, user_ids: Iterable[str] | None) -> None:
    """To be called when these users (None: anyone) may have fewer roles than before."""
    assignments = Assignments(connection)

    def effective(user_id: str, project_id: str) -> set[str]:
        return {role.id for role in assignments.effective(user_id, "project", project_id)}

    drop_unfounded(connection, effective, user_ids)
