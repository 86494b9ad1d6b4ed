"""Where one part of the cloud waits for another: read off the code and off the sagas, so that a new wait must get its case."""

import ast
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from msgspec import Struct

import kilonova
from kilonova.build import CARRY_OUT
from kilonova.build.connect import NetworkNotWanted, NetworkWanted
from kilonova.build.export import ExportNotWanted, ExportWanted
from kilonova.lifecycle.actions import SERVER_ACTIONS
from kilonova.lifecycle.remove import REMOVE
from kilonova.saga import Saga

ROOT = Path(kilonova.__file__).parent
WAITING = (
    "ask", "ask_network", "ask_volume", "put_and_wait", "put_many", "announce_many",
    "ensure_streams", "ensure_queue", "reach_broker", "redeliver", "getresponse",
)  # fmt: skip
"""Methods that come back when somebody else has answered."""
NOT_PARTS = ("bus", "sim", "cli")
"""What carries the messages, what simulates them, and what asks from outside."""

POINTS: Mapping[type[Struct], str] = {
    NetworkWanted: "network.wire_ports",
    NetworkNotWanted: "network.unwire_ports",
    ExportWanted: "volume.serve_volume",
    ExportNotWanted: "volume.end_service",
}
"""Where the other side stands while it does what a step waits for."""


class Wait(Struct, frozen=True):
    """A step of a saga that waits for the answer to such a message. `saga` is ``build``, ``remove`` or an action's name."""

    saga: str
    step: str
    message: str
    point: str

    @property
    def role(self) -> str:
        """The other party."""
        return self.point.partition(".")[0]

    @property
    def of_volumes(self) -> bool:
        """It is there only for servers with volumes."""
        return self.role == "volume" and self.saga not in ("attach_volume", "detach_volume")


SAGAS: Mapping[str, Saga[Any, Any, Any]] = {
    "build": CARRY_OUT,
    "remove": REMOVE,
    **{name: action.saga for name, action in SERVER_ACTIONS.items()},
}


def forward() -> list[Wait]:
    """Of every step as it is done."""
    return [
        Wait(name, step.name, message.__name__, POINTS[message])
        for name, saga in SAGAS.items()
        for step in saga.steps
        for message in _on_the_good_way(messages_of(step.do))
    ]


def backward() -> list[Wait]:
    """Of every undo: the first of a saga, going back, that waits for the answer to such a message."""
    found: dict[tuple[str, type[Struct]], Wait] = {}
    for name, saga in SAGAS.items():
        for step in reversed(saga.steps):
            for message in _on_the_good_way(messages_of(step.undo)) if step.undo is not None else ():
                found.setdefault((name, message), Wait(name, step.name, message.__name__, POINTS[message]))
    return list(found.values())


def messages_of(function: Callable[..., Any]) -> list[type[Struct]]:
    """The messages that it sends and waits for the answer to, itself or by what it calls."""
    found = {message.__name__: message for message in _messages(function, set())}
    return [message for message in POINTS if message.__name__ in found]


def in_the_code() -> set[str]:
    """``file:function`` of every wait of one part for another."""
    found = set()
    for file in sorted(ROOT.rglob("*.py")):
        name = file.relative_to(ROOT).as_posix()
        if name.partition("/")[0] not in NOT_PARTS:
            found |= {f"{name}:{function}" for function in _waiting(ast.parse(file.read_text()))}
    return found


def _on_the_good_way(messages: list[type[Struct]]) -> list[type[Struct]]:
    """A volume is let go of only where to serve it has failed."""
    return [message for message in messages if message is not ExportNotWanted or ExportWanted not in messages]


def _messages(function: Callable[..., Any], seen: set[FunctionType]) -> Iterator[type[Struct]]:
    if not isinstance(function, FunctionType) or function in seen or not function.__module__.startswith("kilonova."):
        return
    seen.add(function)
    for name in _names(function.__code__):
        used = function.__globals__.get(name)
        if isinstance(used, type) and used in POINTS:
            yield used
        elif isinstance(used, FunctionType):
            yield from _messages(used, seen)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)


def _waiting(tree: ast.AST, within: str = "") -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _waiting(node, within or node.name)
        else:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WAITING:
                yield within
            yield from _waiting(node, within)
