"""Which of two wishes for the same thing is the later one: messages may arrive in another order than they were sent in.

A node that dies and comes back is given what is new first, and what its predecessor had not finished afterwards.
"""

import time

from kilonova.saga import Journal

_TIME_BITS = 52
"""Microseconds fit, until the year 2112."""
_AHEAD_US = 60_000_000
"""The disk is waited for once a minute, not for each wish."""


class WishNumbers:
    """Those of one node, as long as there is its journal: its processes follow each other, and its clock may be set back."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._last = self._reserved = journal.reserved()

    def number_of_wish(self, attempt: int) -> int:
        """A wish that is made now has a greater one than all before it: by attempt, and within one attempt by time."""
        self._last = max(self._last + 1, int(time.time() * 1e6))
        if self._last >= self._reserved:
            self._journal.reserve(ahead := self._last + _AHEAD_US)
            self._reserved = ahead
        return attempt << _TIME_BITS | self._last
