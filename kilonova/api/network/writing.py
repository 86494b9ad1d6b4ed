"""Changes and removals that hold only for the revision a client knows (``If-Match: revision_number=7``), in one transaction."""

import re
from collections.abc import Callable
from typing import Protocol, TypeVar

from kilonova.api.call import Answer, Call
from kilonova.api.network.needs import Changer, NetworkBook, Shelf
from kilonova.api.world import Books
from kilonova.errors import BadRequest, PreconditionFailed

_REVISION = re.compile(r"revision_number=([0-9]{1,9})")


class Revised(Protocol):
    """A thing with a revision."""

    @property
    def revision_number(self) -> int: ...


Thing = TypeVar("Thing", bound=Revised)
Thing_co = TypeVar("Thing_co", bound=Revised, covariant=True)
Changes = TypeVar("Changes")
Changes_contra = TypeVar("Changes_contra", contravariant=True)


class Changeable(Shelf[Thing_co], Changer[Thing_co, Changes_contra], Protocol[Thing_co, Changes_contra]): ...


async def change(
    call: Call, shelf: Callable[[NetworkBook], Changeable[Thing, Changes]], thing_id: str, changes: Changes
) -> Thing:
    """The thing as it is then. Raises PreconditionFailed when it has another revision, and what the shelf raises."""

    def work(books: Books) -> Thing:
        here = shelf(books.networks)
        _refuse_other_revision(call, here, thing_id)
        return here.change(thing_id, changes, call.who, call.world.now())

    return await call.world.ledger.write(work)


async def remove(
    call: Call,
    shelf: Callable[[NetworkBook], Shelf[Thing]],
    thing_id: str,
    first: Callable[[Books, Thing], None] | None = None,
) -> Answer:
    """204. `first` is done in the same transaction. Raises PreconditionFailed for another revision, and what the shelf raises."""

    def work(books: Books) -> None:
        here = shelf(books.networks)
        _refuse_other_revision(call, here, thing_id)
        if first is not None:
            first(books, here.get(thing_id, call.who))
        here.remove(thing_id, call.who)

    await call.world.ledger.write(work)
    return Answer(204)


def _refuse_other_revision(call: Call, shelf: Shelf[Revised], thing_id: str) -> None:
    said = call.headers.get("if-match")
    if said is None:
        return
    match = _REVISION.fullmatch(said.strip())
    if match is None:
        raise BadRequest(f"Bad header If-Match: {said[:64]}. revision_number=N is expected.", kind="HTTPBadRequest")
    current = shelf.get(thing_id, call.who).revision_number
    if current != int(match[1]):
        message = f"Constrained to {match[1]}, but current revision is {current}"
        raise PreconditionFailed(message, kind="RevisionNumberConstraintFailed")
