"""Domains and projects, with what goes when one of them goes. Knows nothing of tokens but the moment they lost their force."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, delete, select, update

from kilonova.errors import BadRequest, Forbidden
from kilonova.ledger import identity_tables as t
from kilonova.ledger.identity_shelf import Shelf
from kilonova.model.identity import DEFAULT_DOMAIN_ID, Domain, Project

MAX_DEPTH = 8
"""Projects below one another, at most."""


class Domains(Shelf[Domain]):
    """Realms of names."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, t.domains, Domain, "domain")

    def named(self, name: str) -> Domain | None:
        row = self._connection.execute(select(t.domains).where(t.domains.c.name == name)).first()
        return None if row is None else self._as_record(row._mapping)

    def remove(self, record_id: str) -> None:
        """With its users, groups, projects, own roles. Raises Forbidden while it is enabled, always for the default domain."""
        domain = self.get(record_id)
        if record_id == DEFAULT_DOMAIN_ID:
            raise Forbidden("You are not authorized to perform the requested action: delete the default domain.")
        if domain.enabled:
            raise Forbidden("Cannot delete a domain that is enabled, please disable it first.")
        execute, a = self._connection.execute, t.assignments.c
        execute(delete(t.assignments).where(a.target == "project", a.target_id.in_(_ids_in(t.projects, record_id))))
        execute(delete(t.assignments).where(a.target == "domain", a.target_id == record_id))
        execute(delete(t.roles).where(t.roles.c.domain_id == record_id))
        execute(delete(t.limits).where(t.limits.c.project_id.in_(_ids_in(t.projects, record_id))))
        execute(delete(t.credentials).where(t.credentials.c.project_id.in_(_ids_in(t.projects, record_id))))
        execute(delete(t.limits).where(t.limits.c.domain_id == record_id))
        execute(delete(t.assignments).where(a.actor == "user", a.actor_id.in_(_ids_in(t.users, record_id))))
        execute(delete(t.assignments).where(a.actor == "group", a.actor_id.in_(_ids_in(t.groups, record_id))))
        super().remove(record_id)

    def _twins(self, record: Domain) -> Mapping[str, object]:
        return {"name": record.name}

    def _twin_message(self, record: Domain) -> str:
        return f"it is not permitted to have two domains with the same name: {record.name}"


class Projects(Shelf[Project]):
    """What owns servers, in trees below their domain."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, t.projects, Project, "project")

    def named(self, name: str, domain_id: str) -> Project | None:
        query = select(t.projects).where(t.projects.c.name == name, t.projects.c.domain_id == domain_id)
        row = self._connection.execute(query).first()
        return None if row is None else self._as_record(row._mapping)

    def ancestors(self, project: Project) -> list[Project]:
        """Parent, its parent, …; the domain is not among them."""
        found: list[Project] = []
        while project.parent_id != project.domain_id and len(found) < MAX_DEPTH:
            project = self.get(project.parent_id)
            found.append(project)
        return found

    def below(self, project_id: str) -> list[Project]:
        """Every project under this one, the nearer ones first."""
        found: list[Project] = []
        level = [project_id]
        while level:
            rows = self._connection.execute(select(t.projects).where(t.projects.c.parent_id.in_(level))).all()
            children = [self._as_record(row._mapping) for row in rows]
            found += children
            level = [child.id for child in children]
        return found

    def remove(self, record_id: str) -> None:
        """Raises Forbidden while there are projects below it."""
        self.get(record_id)
        if self._connection.execute(select(t.projects.c.id).where(t.projects.c.parent_id == record_id)).first():
            raise Forbidden(f"Cannot delete project {record_id} since it is not a leaf in the hierarchy.")
        execute, a = self._connection.execute, t.assignments.c
        execute(delete(t.assignments).where(a.target == "project", a.target_id == record_id))
        execute(delete(t.credentials).where(t.credentials.c.project_id == record_id))
        execute(delete(t.limits).where(t.limits.c.project_id == record_id))
        execute(update(t.users).where(t.users.c.default_project_id == record_id).values(default_project_id=""))
        super().remove(record_id)

    def _check(self, record: Project) -> None:
        Domains(self._connection).get(record.domain_id)
        if record.parent_id == record.domain_id:
            return
        parent = self.get(record.parent_id)
        if parent.domain_id != record.domain_id:
            raise BadRequest("The parent project is in another domain.")
        if len(self.ancestors(parent)) + 2 > MAX_DEPTH:
            raise Forbidden(f"Max hierarchy depth reached for {record.parent_id} branch.")

    def _twins(self, record: Project) -> Mapping[str, object]:
        return {"name": record.name, "domain_id": record.domain_id}

    def _twin_message(self, record: Project) -> str:
        return f"it is not permitted to have two projects with the same name in the same domain: {record.name}"

    def _as_record(self, row: Mapping[Any, Any]) -> Project:
        return Project(**{**row, "tags": tuple(tag for tag in row["tags"].split(",") if tag)})

    def _as_row(self, record: Project) -> dict[str, Any]:
        """Tags with a comma on either side, so that one of them can be looked for; Keystone allows none within a tag."""
        tags = "".join(f",{tag}" for tag in record.tags) + "," if record.tags else ""
        return msgspec.structs.asdict(record) | {"tags": tags}


def _ids_in(table: Any, domain_id: str) -> Select[Any]:
    return select(table.c.id).where(table.c.domain_id == domain_id)
