"""Faults on demand: fail, hang, or die at a named point. A product feature, and what the proofs are made with.

A fault is ``POINT=ACTION``: ``compute.assemble_disks.before=raise``, ``network.wire_ports.after=kill``,
``compute.start_guest.before=hang:30``; it fires once, and leaves a file that says it did. The word ``file`` among them has
every point look into ``DATA/faults/wanted`` as it is reached, so that a running cloud can be given faults.
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

from kilonova.errors import BadRequest, BuildFailed

FROM_FILE = "file"
WANTED = "wanted"


def parse_faults(text: str) -> dict[str, str]:
    """``a.b.before=raise,c.d.after=kill`` → {point: action}. Raises BadRequest."""
    faults = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        if part == FROM_FILE:
            faults[FROM_FILE] = FROM_FILE
            continue
        point, equals, action = part.partition("=")
        if not equals or action.split(":")[0] not in ("raise", "kill", "hang"):
            raise BadRequest(f"A fault is written POINT=raise|kill|hang:SECONDS, not {part!r}.")
        faults[point] = action
    return faults


class Faults:
    """A Watch. `fired` is a folder of marker files, so that a fault that killed the process does not fire again."""

    def __init__(self, place: str, faults: Mapping[str, str], fired: Path) -> None:
        self._place, self._faults, self._fired = place, dict(faults), fired
        self._look = self._faults.pop(FROM_FILE, None) is not None

    async def before(self, key: str, step: str, record: Any) -> None:
        await self.at(f"{self._place}.{step}.before")

    async def after(self, key: str, step: str, record: Any, error: BaseException | None) -> None:
        if error is None:
            await self.at(f"{self._place}.{step}.after")

    async def undone(self, key: str, step: str, error: BaseException | None) -> None:
        if error is None:
            await self.at(f"{self._place}.{step}.undone")

    def notes(self, key: str) -> bytes:
        return b""

    @property
    def possible(self) -> bool:
        """False where nothing was asked for and nothing can be: then nobody need look."""
        return self._look or bool(self._faults)

    @property
    def place(self) -> str:
        """The role whose points these are."""
        return self._place

    async def at(self, point: str) -> None:
        """Do what was asked for at this point, once."""
        if (action := self._due(point)) is not None:
            await asyncio.sleep(self._strike(point, action))

    def strike(self, point: str) -> None:
        """The same where nothing can be awaited: a hang holds up the whole thread."""
        if (action := self._due(point)) is not None:
            time.sleep(self._strike(point, action))

    def _due(self, point: str) -> str | None:
        """The action, and the mark that it was taken."""
        action = self._faults.pop(point, None)
        if action is None and self._look:
            action = self._wanted().get(point)
        if action is None:
            return None
        self._fired.mkdir(parents=True, exist_ok=True)
        try:
            (self._fired / point).touch(exist_ok=False)
        except FileExistsError:
            return None
        return action

    def _strike(self, point: str, action: str) -> float:
        """Dies, raises BuildFailed, or gives the seconds to hang."""
        if action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if action == "raise":
            raise BuildFailed(f"A fault was injected at {point}.")
        return float(action.partition(":")[2] or 3600)

    def _wanted(self) -> dict[str, str]:
        try:
            return parse_faults((self._fired / WANTED).read_text())
        except OSError:
            return {}


def no_faults(place: str) -> Faults:
    """Everything works."""
    return Faults(place, {}, Path())


def strike_around(thing: Any, prefix: str, names: Iterable[str], faults: Faults) -> None:
    """Each of these methods of `thing` has a point before and a point after it: ``PREFIX.NAME.before``."""
    for name in names:
        setattr(thing, name, _struck(getattr(thing, name), f"{prefix}.{name}", faults))


def _struck(method: Callable[..., Any], point: str, faults: Faults) -> Callable[..., Any]:
    @wraps(method)
    def struck(*args: Any, **kwargs: Any) -> Any:
        faults.strike(f"{point}.before")
        result = method(*args, **kwargs)
        faults.strike(f"{point}.after")
        return result

    return struck
