"""2.13: a server group shows its project and its user."""

from kilonova.api.compute.changes.change import Change, Shown, without

CHANGE = Change(lower={Shown.SERVER_GROUP: without("project_id", "user_id")})
