"""Steps inside one transaction, in a written order: the transaction itself is their undo."""

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

World = TypeVar("World")
Start = TypeVar("Start")
Now = TypeVar("Now")
Next = TypeVar("Next")

Work = Callable[[Any, Any], Any]


class Stopwatch(Protocol):
    """Told after each step how it went; `error` is None when it was done."""

    def step_over(self, name: str, error: BaseException | None) -> None: ...


class Chain(Generic[World, Start, Now]):
    """`Chain.starting_with(A, B).then(f).then(g)`: mypy refuses a step placed before what it needs."""

    def __init__(self, steps: tuple[Work, ...]) -> None:
        self.steps = steps

    @classmethod
    def starting_with(cls, record: type[Start], world: type[World]) -> "Chain[World, Start, Start]":
        return Chain(())

    def then(self, step: Callable[[Now, World], Next]) -> "Chain[World, Start, Next]":
        return Chain((*self.steps, step))

    def run(self, record: Start, world: World, watch: Stopwatch) -> Now:
        """Every step in turn; the first that raises ends it, and the transaction takes everything back."""
        known: Any = record
        for step in self.steps:
            try:
                known = step(known, world)
            except BaseException as error:
                watch.step_over(step.__name__, error)
                raise
            watch.step_over(step.__name__, None)
        result: Now = known
        return result
