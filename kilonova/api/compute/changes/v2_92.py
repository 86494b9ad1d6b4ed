"""2.92: the cloud makes no key pairs any more, it only takes public keys; names may hold ``@`` and ``.``."""

import re

from kilonova.api.compute.changes.change import Asked, Change, Document, inside
from kilonova.errors import BadRequest

SAFE_NAME = re.compile(r"[A-Za-z0-9 _-]*")
MADE_UNTIL = (2, 91)
"""The newest version whose clients may leave out the public key: see `KeypairToMake`."""


def plainly_named(document: Document) -> Document:
    name = inside(document, "keypair").get("name")
    if isinstance(name, str) and SAFE_NAME.fullmatch(name) is None:
        raise BadRequest("Keypair data is invalid: Keypair name contains unsafe characters")
    return document


CHANGE = Change(lift={Asked.KEYPAIR_CREATE: plainly_named})
