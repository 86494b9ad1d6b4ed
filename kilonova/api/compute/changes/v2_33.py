"""2.33: hypervisors are listed page by page."""

from kilonova.api.compute.changes.change import Asked, Change, ignoring

CHANGE = Change(lift={Asked.HYPERVISOR_QUERY: ignoring("limit", "marker")})
