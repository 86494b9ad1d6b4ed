"""A saga as it is written down: typed steps in order, each with its undo beside it. Carries nothing out."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, get_type_hints

World = TypeVar("World")
Start = TypeVar("Start")
Now = TypeVar("Now")
Next = TypeVar("Next")


@dataclass(frozen=True)
class Step:
    """`do(record, world)` gives the next record; `undo(record, world)` takes back what `do` made, however often it is called.

    Records grow by inheritance, so an undo may be handed any later record than the one its step was given; one of a step that is
    done `by_others` may be handed any earlier one too.
    """

    name: str
    do: Callable[[Any, Any], Awaitable[Any]]
    undo: Callable[[Any, Any], Awaitable[None]] | None
    gives: type[Any]
    unsure: bool = False
    """When it raises, it may have been done all the same: somebody else does it, and has not answered. So it is undone too."""
    by_others: bool = False
    """Another saga may have done it, on its way to something else. So it is undone too, also when it was not even begun here."""


@dataclass(frozen=True)
class Saga(Generic[World, Start, Now]):
    """`name` is what the journal calls it; `at` is the kind of node that carries it out; `takes` is the first record's class."""

    name: str
    at: str
    takes: type[Any]
    steps: tuple[Step, ...] = ()

    @classmethod
    def starting_with(cls, record: type[Start], world: type[World], *, name: str, at: str) -> "Saga[World, Start, Start]":
        return Saga(name, at, record)

    def then(
        self,
        do: Callable[[Now, World], Awaitable[Next]],
        undo: Callable[[Now, World], Awaitable[None]] | None = None,
        *,
        unsure: bool = False,
        by_others: bool = False,
    ) -> "Saga[World, Start, Next]":
        """What `do` returns is read off its annotation, which is also what mypy checks the next step against."""
        step = Step(do.__name__, do, undo, get_type_hints(do)["return"], unsure, by_others)
        return Saga(self.name, self.at, self.takes, (*self.steps, step))

    def record_class(self, done: int) -> type[Any]:
        """The class of the record when `done` steps are done."""
        return self.takes if done == 0 else self.steps[done - 1].gives
