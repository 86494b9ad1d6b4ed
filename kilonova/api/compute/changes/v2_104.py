"""2.104: a server can be unbound from its availability zone, and bound to the one it is in, with PUT."""

from kilonova.api.compute.changes.change import Asked, Change, Document, inside, refuse


def without_zone(document: Document) -> Document:
    refuse(inside(document, "server"), "pinned_availability_zone")
    return document


CHANGE = Change(lift={Asked.SERVER_UPDATE: without_zone})
