"""2.100: a server shows the scheduler hints it was made with."""

from kilonova.api.compute.changes.change import Change, Shown, without

CHANGE = Change(lower={Shown.SERVER: without("scheduler_hints")})
