"""2.59: migrations are listed page by page, show their UUID, and can be searched with ``changes-since``."""

from kilonova.api.compute.changes.change import Asked, Change, Document, Shown, ignoring, without
from kilonova.api.compute.query_names import MIGRATION_PARAMETERS

_then = ignoring("limit", "marker", "changes-since", "user_id", "project_id")


def loosely(query: Document) -> Document:
    """What was not known was ignored."""
    return {name: values for name, values in _then(query).items() if name in MIGRATION_PARAMETERS}


CHANGE = Change(
    lift={Asked.MIGRATION_QUERY: loosely},
    lower={Shown.MIGRATION: without("uuid"), Shown.SERVER_MIGRATION: without("uuid")},
)
