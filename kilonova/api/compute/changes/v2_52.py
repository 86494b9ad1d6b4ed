"""2.52: tags may be given when a server is created."""

from kilonova.api.compute.changes.change import Asked, Change, Document, inside, refuse


def without_tags(document: Document) -> Document:
    refuse(inside(document, "server"), "tags")
    return document


CHANGE = Change(lift={Asked.SERVER_CREATE: without_tags})
