"""Many small changes in one transaction; where that does not work, each by itself, so that a bad one holds up no other."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from kilonova.errors import KilonovaError
from kilonova.ledger.ledger import Ledger
from kilonova.ledger.transaction import Transaction

log = logging.getLogger(__name__)
Item = TypeVar("Item")


async def write_each(ledger: Ledger, items: Sequence[Item], change: Callable[[Sequence[Item], Transaction], None]) -> None:
    """What we cannot take at all is set aside, with all of it in the log. Raises KilonovaError: then say it all again."""
    try:
        await ledger.write(partial(change, items))
        return
    except KilonovaError:
        raise
    except Exception:
        log.exception("%s changes could not be written together", len(items), extra={"action": "written_one_by_one"})
    for item in items:
        try:
            await ledger.write(partial(change, (item,)))
        except KilonovaError:
            raise
        except Exception:
            log.exception("set aside: %r", item, extra={"action": "set_aside"})
