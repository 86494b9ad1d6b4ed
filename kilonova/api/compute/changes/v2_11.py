"""2.11: a service shows whether it was forced down."""

from kilonova.api.compute.changes.change import Change, Shown, without

CHANGE = Change(lower={Shown.SERVICE: without("forced_down")})
