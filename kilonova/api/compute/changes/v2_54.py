"""2.54: a server can be given another key pair, or none, when it is rebuilt, and the answer says which."""

from kilonova.api.compute.changes.change import Asked, Change, Document, Shown, refuse, without


def rebuilt_without_key(document: Document) -> Document:
    refuse(document, "key_name")
    return document


CHANGE = Change(lift={Asked.SERVER_REBUILD: rebuilt_without_key}, lower={Shown.SERVER_REBUILT: without("key_name")})
