"""2.96: a server shows the availability zone it is bound to, if its creator named one."""

from kilonova.api.compute.changes.change import Change, Shown, without

CHANGE = Change(lower={Shown.SERVER: without("pinned_availability_zone")})
