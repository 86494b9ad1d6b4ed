"""2.80: migrations show user and project, and can be searched by them."""

from kilonova.api.compute.changes.change import Asked, Change, Document, Shown, refuse, without


def not_by_owner(query: Document) -> Document:
    refuse(query, "user_id", "project_id")
    return query


CHANGE = Change(
    lift={Asked.MIGRATION_QUERY: not_by_owner},
    lower={
        Shown.MIGRATION: without("user_id", "project_id"),
        Shown.SERVER_MIGRATION: without("user_id", "project_id"),
    },
)
