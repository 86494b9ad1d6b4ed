"""2.9: a server shows whether it is locked."""

from kilonova.api.compute.changes.change import Change, Shown, without

CHANGE = Change(lower={Shown.SERVER: without("locked")})
