"""2.90: the host name of a server can be chosen, changed, and is shown to its owner; before, it came from the name."""

from kilonova.api.compute.changes.change import Asked, Change, Document, Shown, inside, refuse
from kilonova.model.server import Server


def without_hostname(document: Document) -> Document:
    refuse(inside(document, "server"), "hostname")
    return document


def rebuilt_without_hostname(document: Document) -> Document:
    refuse(document, "hostname")
    return document


def hostname_for_admins_only(document: Document, about: Server) -> Document:
    if "OS-EXT-SRV-ATTR:host" not in document:
        document.pop("OS-EXT-SRV-ATTR:hostname", None)
    return document


CHANGE = Change(
    lift={
        Asked.SERVER_CREATE: without_hostname,
        Asked.SERVER_UPDATE: without_hostname,
        Asked.SERVER_REBUILD: rebuilt_without_hostname,
    },
    lower={Shown.SERVER: hostname_for_admins_only},
)
