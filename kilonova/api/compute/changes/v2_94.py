"""2.94: the host name of a server may be a fully qualified domain name; before, one label of at most 63 characters."""

from kilonova.api.compute.changes.change import Asked, Change, Document, inside
from kilonova.errors import BadRequest


def one_label(document: Document) -> Document:
    hostname = inside(document, "server").get("hostname")
    if isinstance(hostname, str) and ("." in hostname or len(hostname) > 63):
        raise BadRequest(
            f"Invalid input for field/attribute hostname. Value: {hostname[:80]}. It must be one label of a host name."
        )
    return document


CHANGE = Change(lift={Asked.SERVER_CREATE: one_label, Asked.SERVER_UPDATE: one_label})
