"""What the compute API asks of the books of what is around servers: groups, aggregates, migrations."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from kilonova.model.aggregate import Aggregate
from kilonova.model.migration import Migration, MigrationFilter
from kilonova.model.server_group import ServerGroup


class ServerGroupBook(Protocol):
    """`project_id` None looks in all projects; a group of another project is NotFound."""

    def get(self, group_id: str, project_id: str | None) -> ServerGroup: ...

    def find(self, project_id: str | None, offset: int = 0, limit: int | None = None) -> Sequence[ServerGroup]:
        """Oldest first."""
        ...

    def count(self, project_id: str) -> int: ...

    def create(self, new: ServerGroup) -> ServerGroup: ...

    def delete(self, group_id: str, project_id: str | None) -> None: ...

    def of_server(self, server_id: str) -> str | None:
        """The id of the group it is in."""
        ...


class AggregateBook(Protocol):
    """Each raises NotFound for an aggregate that is not there."""

    def get(self, aggregate_id: int) -> Aggregate: ...

    def all(self) -> Sequence[Aggregate]: ...

    def create(self, name: str, zone: str | None, now: float) -> Aggregate:
        """Raises Conflict when the name is taken."""
        ...

    def change(self, aggregate_id: int, changes: Mapping[str, Any], now: float) -> Aggregate:
        """`changes` of name and zone. Raises Conflict for the name, BadRequest while servers are where the zone changes."""
        ...

    def set_metadata(self, aggregate_id: int, items: Mapping[str, str | None], now: float) -> Aggregate:
        """What is given as None goes; the rest stays."""
        ...

    def delete(self, aggregate_id: int) -> None:
        """Raises BadRequest while it has hosts."""
        ...

    def add_host(self, aggregate_id: int, host: str, now: float) -> Aggregate:
        """Raises NotFound for the host; Conflict when it is in already, or in another zone."""
        ...

    def remove_host(self, aggregate_id: int, host: str, now: float) -> Aggregate:
        """Raises NotFound, and Conflict while its servers would change their zone."""
        ...


class MigrationBook(Protocol):
    def of_server(self, server_id: str, migration_id: int) -> Migration:
        """Raises NotFound."""
        ...

    def find(self, wanted: MigrationFilter) -> Sequence[Migration]:
        """Newest first. Raises BadRequest for an unknown marker."""
        ...
