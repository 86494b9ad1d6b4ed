"""What the clients of a simulated cloud do: every kind of operation, how likely it is, and what its answer promises."""

from collections.abc import Awaitable, Callable, Mapping

from kilonova.sim.operations import servers
from kilonova.sim.operations.scene import Turn

Operation = Callable[[Turn], Awaitable[None]]

OPERATIONS: Mapping[str, tuple[int, Operation]] = {
    "create": (20, servers.create),
    "create_impossible": (1, servers.create_impossible),
    "create_twice": (3, servers.create_twice),
    "create_nonsense": (1, servers.create_nonsense),
    "delete": (10, servers.delete),
}
"""Kind → (weight, what is done)."""
ALWAYS = frozenset({"create", "delete"})
"""Kinds that no seed goes without: without servers nothing happens."""
