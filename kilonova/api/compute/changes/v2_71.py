"""2.71: a server shows the server groups it is in (not in lists)."""

from kilonova.api.compute.changes.change import Change, Shown, without

CHANGE = Change(lower={Shown.SERVER: without("server_groups")})
