"""What the simulated drivers share: faults on demand, and a memory that outlives the process.

No files but that memory, no processes, no clock.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from kilonova.model.ids import ServerId


class Faults(Protocol):
    """Decides whether a simulated driver fails here."""

    def before(self, point: str, server_id: ServerId) -> None:
        """Raise to fail at `point` (``hypervisor.start``, ``disks.assemble``, …); return to let it pass."""
        ...


class NoFaults:
    """Everything works."""

    def before(self, point: str, server_id: ServerId) -> None:
        """Let it pass."""


class Remains:
    """What a simulated driver has and nobody owns: put into `remains` by whoever wants to see it found, name → what it is."""

    def __init__(self) -> None:
        self.remains: dict[str, str] = {}

    async def strays(self) -> Mapping[str, str]:
        return dict(self.remains)

    async def end_stray(self, name: str) -> None:
        """None there is no error."""
        self.remains.pop(name, None)


class Memory:
    """A word per server, in a dict; with a `path` also in an append-only log, so that a role that was killed finds it again.

    A write is one ``write(2)``, so it is whole or not there after kill -9 (not after power loss: nothing is synced).
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.words: dict[ServerId, str] = {}
        if path is not None and path.exists():
            self._recall(path)

    def put(self, server_id: ServerId, word: str) -> None:
        """Remember `word` (no spaces, not ``-``) for this server."""
        self.words[server_id] = word
        self._append(f"{server_id} {word}\n")

    def drop(self, server_id: ServerId) -> None:
        """Forget this server; unknown is no error."""
        if self.words.pop(server_id, None) is not None:
            self._append(f"{server_id} -\n")

    def _append(self, line: str) -> None:
        if self._path is None:
            return
        # Opened for each line: a fleet of ten thousand simulated hosts in one process must not need as many open files.
        log = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(log, line.encode())
        finally:
            os.close(log)

    def _recall(self, path: Path) -> None:
        for line in path.read_text().splitlines():
            server_id, _, word = line.partition(" ")
            if word == "-":
                self.words.pop(ServerId(server_id), None)
            elif word:
                self.words[ServerId(server_id)] = word
        shorter = path.with_name(f"{path.name}.new")
        shorter.write_text("".join(f"{server_id} {word}\n" for server_id, word in self.words.items()))
        shorter.replace(path)
