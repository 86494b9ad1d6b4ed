"""2.38: an unknown ``status`` in a search for servers is an error; before, nothing was found."""

from kilonova.api.compute.changes.change import Asked, Change, Document

# Statuses Nova has; here only some of them occur, and the others find nothing, without an error.
STATUSES = frozenset(
    [
        "ACTIVE",
        "BUILD",
        "DELETED",
        "ERROR",
        "HARD_REBOOT",
        "MIGRATING",
        "PASSWORD",
        "PAUSED",
        "REBOOT",
        "REBUILD",
        "RESCUE",
        "RESIZE",
        "REVERT_RESIZE",
        "SHELVED",
        "SHELVED_OFFLOADED",
        "SHUTOFF",
        "SOFT_DELETED",
        "SUSPENDED",
        "UNKNOWN",
        "VERIFY_RESIZE",
    ]
)
FINDS_NOTHING = "UNKNOWN"


def unknown_status_finds_nothing(query: Document) -> Document:
    asked = query.get("status")
    if not asked or any(status.upper() in STATUSES for status in asked):
        return query
    return {**query, "status": [FINDS_NOTHING]}


CHANGE = Change(lift={Asked.SERVER_QUERY: unknown_status_finds_nothing})
