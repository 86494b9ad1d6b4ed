"""2.5: everybody may search servers by ``ip6``; before, the parameter meant nothing to non-admins."""

from kilonova.api.compute.changes.change import Asked, Change, ignoring

CHANGE = Change(lift={Asked.SERVER_QUERY: ignoring("ip6")})
