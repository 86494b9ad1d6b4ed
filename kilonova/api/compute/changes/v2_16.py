"""2.16: admins see the state of a server's host."""

from kilonova.api.compute.changes.change import Change, Shown, without

CHANGE = Change(lower={Shown.SERVER: without("host_status")})
