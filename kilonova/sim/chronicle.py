"""What happened in a simulation, in order: a digest of it all, its last events in words, how often each kind of fault struck."""

import asyncio
from collections import Counter, deque
from hashlib import sha256

from kilonova.sim.process import PROCESS

REMEMBERED = 60


class Chronicle:
    """Two simulations with the same digest were the same."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self.fired: Counter[str] = Counter()
        self.events = 0
        self.last: deque[str] = deque(maxlen=remembered)
        self._digest = sha256()

    def note(self, what: str) -> None:
        """One event; when, and in which role, is added."""
        process = PROCESS.get()
        line = f"{asyncio.get_running_loop().time():11.5f} {process.name if process else '-':<10} {what}"
        self.events += 1
        self.last.append(line)
        self._digest.update(line.encode())

    def fault(self, kind: str, what: str) -> None:
        """One event that somebody will have to survive."""
        self.fired[kind] += 1
        self.note(f"{kind.upper()}: {what}")

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()
