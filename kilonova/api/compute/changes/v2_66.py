"""2.66: servers, actions and migrations can be searched with ``changes-before``."""

from kilonova.api.compute.changes.change import Asked, Change, ignoring

CHANGE = Change(
    lift={
        Asked.SERVER_QUERY: ignoring("changes-before"),
        Asked.ACTION_QUERY: ignoring("changes-before"),
        Asked.MIGRATION_QUERY: ignoring("changes-before"),
    }
)
