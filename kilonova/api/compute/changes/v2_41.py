"""2.41: a host aggregate shows its UUID."""

from kilonova.api.compute.changes.change import Change, Shown, without

CHANGE = Change(lower={Shown.AGGREGATE: without("uuid")})
