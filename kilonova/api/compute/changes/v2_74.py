"""2.74: an admin may name the host a new server shall be placed on, and it is still checked like any other."""

from kilonova.api.compute.changes.change import Asked, Change, Document, inside, refuse


def without_host(document: Document) -> Document:
    refuse(inside(document, "server"), "host", "hypervisor_hostname")
    return document


CHANGE = Change(lift={Asked.SERVER_CREATE: without_host})
