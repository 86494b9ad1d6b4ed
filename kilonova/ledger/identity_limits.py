"""Registered limits and the limits of projects and domains that stand on them. Enforces none."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from kilonova.errors import Forbidden
from kilonova.ledger import identity_tables as t
from kilonova.ledger.identity_shelf import Shelf
from kilonova.model.identity_limits import Limit, RegisteredLimit
from kilonova.model.page import EVERYTHING, Condition


class RegisteredLimits(Shelf[RegisteredLimit]):
    """One for each service, region and resource."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, t.registered_limits, RegisteredLimit, "registered limit")

    def change(self, record_id: str, fields: Mapping[str, object]) -> RegisteredLimit:
        """Raises Forbidden where it would be about something else while limits stand on it."""
        old = self.get(record_id)
        if any(
            fields.get(name, getattr(old, name)) != getattr(old, name) for name in ("service_id", "region_id", "resource_name")
        ):
            self._refuse_used(old)
        return super().change(record_id, fields)

    def remove(self, record_id: str) -> None:
        """Raises Forbidden while limits stand on it."""
        self._refuse_used(self.get(record_id))
        super().remove(record_id)

    def _refuse_used(self, record: RegisteredLimit) -> None:
        if Limits(self._connection).find(_about(record), EVERYTHING):
            raise Forbidden(
                f"Unable to update or delete registered limit {record.id} because there are project limits associated with it."
            )

    def _twins(self, record: RegisteredLimit) -> Mapping[str, object]:
        return {condition.field: condition.value for condition in _about(record)}


class Limits(Shelf[Limit]):
    """One for each project or domain and registered limit."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, t.limits, Limit, "limit")

    def _check(self, record: Limit) -> None:
        if not RegisteredLimits(self._connection).find(_about(record), EVERYTHING):
            raise Forbidden("Unable to create a limit that has no corresponding registered limit.")

    def _twins(self, record: Limit) -> Mapping[str, object]:
        own = {"project_id": record.project_id, "domain_id": record.domain_id}
        return own | {condition.field: condition.value for condition in _about(record)}


def _about(record: RegisteredLimit | Limit) -> Sequence[Condition]:
    """The same service, region and resource."""
    return [Condition(name, getattr(record, name)) for name in ("service_id", "region_id", "resource_name")]
