"""2.26: servers have tags and can be searched by them."""

from kilonova.api.compute.changes.change import Asked, Change, Shown, ignoring, without

CHANGE = Change(
    lift={Asked.SERVER_QUERY: ignoring("tags", "tags-any", "not-tags", "not-tags-any")},
    lower={Shown.SERVER: without("tags")},
)
