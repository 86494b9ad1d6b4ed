"""2.102: flavors can be searched by name and have no ``rxtx_factor`` and ``disabled``; no request takes unknown parameters.

The last is said with `asking.only`, where a request's own parameters are.
"""

from kilonova.api.compute.changes.change import Asked, Change, Document, Shown, ignoring
from kilonova.model.flavor import Flavor

FACTOR_UNTIL = (2, 101)
"""The newest version whose clients may give a new flavor a factor: see `NewFlavorWithFactor`."""


def with_factor_and_disabled(document: Document, about: Flavor) -> Document:
    return {**document, "rxtx_factor": about.rxtx_factor, "OS-FLV-DISABLED:disabled": False}


CHANGE = Change(
    lift={Asked.FLAVOR_QUERY: ignoring("name")},
    lower={Shown.FLAVOR: with_factor_and_disabled},
)
