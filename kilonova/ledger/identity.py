"""The identity book: one shelf per noun, opened on one connection. Holds no query itself; see the files it names."""

from functools import cached_property

from sqlalchemy import Connection, delete, select

from kilonova.errors import Conflict, Forbidden
from kilonova.ledger import identity_tables as t
from kilonova.ledger.identity_credentials import AccessRules, AppCredentials, Credentials, Trusts
from kilonova.ledger.identity_epoch import read_epoch
from kilonova.ledger.identity_limits import Limits, RegisteredLimits
from kilonova.ledger.identity_passwords import Passwords
from kilonova.ledger.identity_people import Groups, Users
from kilonova.ledger.identity_realms import Domains, Projects
from kilonova.ledger.identity_roles import Assignments, Revocations, Roles
from kilonova.ledger.identity_shelf import Shelf
from kilonova.model.identity import CatalogService, Endpoint, Region


class Regions(Shelf[Region]):
    """Places an endpoint can be in, in trees."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, t.regions, Region, "region")

    def remove(self, record_id: str) -> None:
        """Raises Forbidden while regions or endpoints are in it."""
        children = self._connection.execute(select(t.regions.c.id).where(t.regions.c.parent_region_id == record_id)).first()
        endpoints = self._connection.execute(select(t.endpoints.c.id).where(t.endpoints.c.region_id == record_id)).first()
        if children or endpoints:
            raise Forbidden(f"Unable to delete region {record_id} because it or its child regions have associated endpoints.")
        super().remove(record_id)

    def _check(self, record: Region) -> None:
        if self._connection.execute(select(t.regions.c.id).where(t.regions.c.id == record.id)).first():
            raise Conflict(f"Conflict occurred attempting to store region - Duplicate ID, {record.id}.")
        if record.parent_region_id:
            self.get(record.parent_region_id)


class Services(Shelf[CatalogService]):
    """Services that were added to the catalogue; those this program speaks itself are not kept here."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, t.services, CatalogService, "service")

    def remove(self, record_id: str) -> None:
        """With its endpoints."""
        self._connection.execute(delete(t.endpoints).where(t.endpoints.c.service_id == record_id))
        super().remove(record_id)


class Endpoints(Shelf[Endpoint]):
    """Addresses of services that were added to the catalogue."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, t.endpoints, Endpoint, "endpoint")


class Identity:
    """Everything about identity in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def epoch(self) -> int:
        """Grows with every change that may alter what a token is good for."""
        return read_epoch(self._connection)

    @cached_property
    def domains(self) -> Domains:
        return Domains(self._connection)

    @cached_property
    def projects(self) -> Projects:
        return Projects(self._connection)

    @cached_property
    def users(self) -> Users:
        return Users(self._connection)

    @cached_property
    def groups(self) -> Groups:
        return Groups(self._connection)

    @cached_property
    def passwords(self) -> Passwords:
        return Passwords(self._connection)

    @cached_property
    def app_credentials(self) -> AppCredentials:
        return AppCredentials(self._connection)

    @cached_property
    def access_rules(self) -> AccessRules:
        return AccessRules(self._connection)

    @cached_property
    def credentials(self) -> Credentials:
        return Credentials(self._connection)

    @cached_property
    def trusts(self) -> Trusts:
        return Trusts(self._connection)

    @cached_property
    def registered_limits(self) -> RegisteredLimits:
        return RegisteredLimits(self._connection)

    @cached_property
    def limits(self) -> Limits:
        return Limits(self._connection)

    @cached_property
    def roles(self) -> Roles:
        return Roles(self._connection)

    @cached_property
    def assignments(self) -> Assignments:
        return Assignments(self._connection)

    @cached_property
    def revocations(self) -> Revocations:
        return Revocations(self._connection)

    @cached_property
    def regions(self) -> Regions:
        return Regions(self._connection)

    @cached_property
    def services(self) -> Services:
        return Services(self._connection)

    @cached_property
    def endpoints(self) -> Endpoints:
        return Endpoints(self._connection)
