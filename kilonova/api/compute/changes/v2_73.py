"""2.73: a server shows why it was locked, and can be searched by ``locked``."""

from kilonova.api.compute.changes.change import Asked, Change, Shown, ignoring, without

CHANGE = Change(lift={Asked.SERVER_QUERY: ignoring("locked")}, lower={Shown.SERVER: without("locked_reason")})
REASON_SINCE = (2, 73)
