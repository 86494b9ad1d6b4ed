"""What a thread that moves an image says and hears: how far it is, and whether anybody still wants it. Moves nothing."""

import threading
import time
from collections.abc import Callable

from kilonova.errors import BuildFailed

_TELL_EVERY_S = 0.5


class Course:
    """`tell` is called with the share that is done; `stop` is set when nobody waits any more."""

    def __init__(self, tell: Callable[[float], None], stop: threading.Event) -> None:
        self._tell = tell
        self._stop = stop
        self._told_at = time.monotonic()

    def went_on(self, share: float) -> None:
        """Pass `share` on now and then. Raises BuildFailed when the work was called off."""
        if self._stop.is_set():
            raise BuildFailed("The build was called off.")
        now = time.monotonic()
        if now - self._told_at >= _TELL_EVERY_S:
            self._told_at = now
            self._tell(share)
