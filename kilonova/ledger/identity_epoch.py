"""A number that grows with every change of identity: who has remembered something reads it and knows whether that still holds.

It says that something changed, not what.
"""

from sqlalchemy import Connection, insert, select, update

from kilonova.ledger.identity_tables import epoch

_READ = select(epoch.c.value)
_COUNT_UP = update(epoch).values(value=epoch.c.value + 1)


def read_epoch(connection: Connection) -> int:
    """0 before the first change."""
    return int(connection.execute(_READ).scalar() or 0)


def count_up(connection: Connection) -> None:
    """To be called by every change but the adding of what no token can know yet."""
    if connection.execute(_COUNT_UP).rowcount == 0:
        connection.execute(insert(epoch).values(id=1, value=1))
