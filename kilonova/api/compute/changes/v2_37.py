"""2.37: a new server must say which networks it wants: a list, ``auto`` or ``none``; before, silence was ``auto``."""

from kilonova.api.compute.changes.change import Asked, Change, Document, inside
from kilonova.errors import BadRequest


def networks_as_a_list(document: Document) -> Document:
    server = inside(document, "server")
    if isinstance(server.get("networks"), str):
        raise BadRequest("Invalid input for field/attribute networks: it is not of type 'array'")
    server.setdefault("networks", "auto")
    return document


CHANGE = Change(lift={Asked.SERVER_CREATE: networks_as_a_list})
