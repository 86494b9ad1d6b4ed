"""2.61: a flavor shows its extra specs."""

from kilonova.api.compute.changes.change import Change, Shown, without

CHANGE = Change(lower={Shown.FLAVOR: without("extra_specs")})
