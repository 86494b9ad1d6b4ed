"""Clouds whose ledger is on SQLite or on PostgreSQL, with the same eyes for both."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cloud.running import Cloud, Machine
from tests.ledger.postgres import Postgres, postgres

SQLITE, POSTGRESQL = BOOKS = ("SQLite", "PostgreSQL")


class OnPostgres(Cloud):
    """A cloud with a database of its own in this server."""

    def __init__(self, folder: Path, server: Postgres, *options: str, hosts: int = 2, **settings: object) -> None:
        self._server, self.database = server, server.new_database()
        super().__init__(folder, *options, hosts=hosts, database_url=server.url(self.database), **settings)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._server.do(query, self.database)]


@contextmanager
def running_on(books: str, folder: Path, *options: str, hosts: int = 2, **settings: object) -> Iterator[Cloud]:
    """As `running`, with its ledger on SQLite or on PostgreSQL."""
    if books == SQLITE:
        with up(Cloud(folder, *options, hosts=hosts, **settings)) as cloud:
            yield cloud
        return
    with postgres() as server, up(OnPostgres(folder, server, *options, hosts=hosts, **settings)) as cloud:
        yield cloud


@contextmanager
def up(cloud: Cloud) -> Iterator[Cloud]:
    """It is up, and nothing of it is left afterwards."""
    try:
        cloud.up()
        yield cloud
    finally:
        cloud.end_for_sure()
        Machine(cloud.data).assert_clean()
