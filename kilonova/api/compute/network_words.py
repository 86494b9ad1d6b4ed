"""What the network books say, in the compute API's words: until 2.35 it was a proxy to them."""

from collections.abc import Iterator
from contextlib import contextmanager

from kilonova.errors import BadRequest, Conflict, NotFound, QuotaExceeded

OVER_QUOTA = "OverQuota"


@contextmanager
def in_novas_words() -> Iterator[None]:
    """Neutron's names for errors mean nothing to compute's clients, and what is 409 there was 400 or 403 here."""
    try:
        yield
    except NotFound as missing:
        raise NotFound(str(missing)) from None
    except QuotaExceeded as full:
        raise QuotaExceeded(str(full)) from None
    except Conflict as refused:
        if refused.kind == OVER_QUOTA:
            raise QuotaExceeded(str(refused)) from None
        raise BadRequest(str(refused)) from None
    except BadRequest as wrong:
        raise BadRequest(str(wrong)) from None
