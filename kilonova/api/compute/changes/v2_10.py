"""2.10: admins may name the owner of a key pair with ``user_id``, in the body or the query string."""

from kilonova.api.compute.changes.change import Asked, Change, Document, ignoring, inside, refuse


def without_user(document: Document) -> Document:
    refuse(inside(document, "keypair"), "user_id")
    return document


CHANGE = Change(lift={Asked.KEYPAIR_CREATE: without_user, Asked.KEYPAIR_QUERY: ignoring("user_id")})
