"""2.2: key pairs have a type, ssh or x509; before, all were ssh. (POST answers 201 instead of 200, DELETE 204 instead of 202.)"""

from kilonova.api.compute.changes.change import Asked, Change, Document, Shown, inside, refuse, without


def without_type(document: Document) -> Document:
    refuse(inside(document, "keypair"), "type")
    return document


CHANGE = Change(lift={Asked.KEYPAIR_CREATE: without_type}, lower={Shown.KEYPAIR: without("type")})
CREATED = {True: 201, False: 200}
DELETED = {True: 204, False: 202}
"""Status codes: from this version on, and before."""
