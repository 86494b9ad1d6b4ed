"""2.19: a server has a description; before, it was silently its name."""

from kilonova.api.compute.changes.change import Asked, Change, Document, Shown, inside, refuse, without


def described_by_its_name(document: Document) -> Document:
    server = inside(document, "server")
    refuse(server, "description")
    if isinstance(server.get("name"), str):
        server["description"] = server["name"]
    return document


def without_description(document: Document) -> Document:
    refuse(inside(document, "server"), "description")
    return document


def rebuilt_without_description(document: Document) -> Document:
    refuse(document, "description")
    return document


CHANGE = Change(
    lift={
        Asked.SERVER_CREATE: described_by_its_name,
        Asked.SERVER_UPDATE: without_description,
        Asked.SERVER_REBUILD: rebuilt_without_description,
    },
    lower={Shown.SERVER: without("description")},
)
