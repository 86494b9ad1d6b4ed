"""2.63: a server shows the certificates its image's signature was checked with."""

from kilonova.api.compute.changes.change import Asked, Change, Document, Shown, inside, refuse, without


def without_certificates(document: Document) -> Document:
    refuse(inside(document, "server"), "trusted_image_certificates")
    return document


def rebuilt_without_certificates(document: Document) -> Document:
    refuse(document, "trusted_image_certificates")
    return document


CHANGE = Change(
    lift={Asked.SERVER_CREATE: without_certificates, Asked.SERVER_REBUILD: rebuilt_without_certificates},
    lower={Shown.SERVER: without("trusted_image_certificates")},
)
