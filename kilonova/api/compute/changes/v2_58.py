"""2.58: a server's actions show when they last changed, and are listed page by page."""

from kilonova.api.compute.changes.change import Asked, Change, Shown, ignoring, without

CHANGE = Change(
    lift={Asked.ACTION_QUERY: ignoring("limit", "marker", "changes-since")},
    lower={Shown.ACTION: without("updated_at")},
)
