"""2.23: the migrations under way of a server can be seen, and each migration says of which kind it is."""

from kilonova.api.compute.changes.change import Change, Shown, without

CHANGE = Change(lower={Shown.MIGRATION: without("migration_type", "links")})
