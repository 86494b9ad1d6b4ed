"""2.35: key pairs are listed page by page."""

from kilonova.api.compute.changes.change import Asked, Change, ignoring

CHANGE = Change(lift={Asked.KEYPAIR_QUERY: ignoring("limit", "marker")})
