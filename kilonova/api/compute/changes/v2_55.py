"""2.55: flavors have a description."""

from kilonova.api.compute.changes.change import Asked, Change, Document, Shown, inside, refuse, without


def without_description(document: Document) -> Document:
    refuse(inside(document, "flavor"), "description")
    return document


CHANGE = Change(
    lift={Asked.FLAVOR_CREATE: without_description},
    lower={Shown.FLAVOR: without("description"), Shown.FLAVOR_BRIEF: without("description")},
)
