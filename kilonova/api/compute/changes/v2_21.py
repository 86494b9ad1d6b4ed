"""2.21: the actions of a deleted server can still be read; before, they went with it."""

from kilonova.api.compute.changes.change import Change

CHANGE = Change()
OF_DELETED_SINCE = (2, 21)
