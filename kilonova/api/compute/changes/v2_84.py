"""2.84: an event of an action says in ``details``, to its owner too, why it failed."""

from kilonova.api.compute.changes.change import Change, Shown, without

CHANGE = Change(lower={Shown.EVENT: without("details")})
