"""2.62: an event of an action shows where it happened: a hash for owners, the host for admins."""

from kilonova.api.compute.changes.change import Change, Shown, without

CHANGE = Change(lower={Shown.EVENT: without("host", "hostId")})
