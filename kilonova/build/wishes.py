"""Which of two wishes for the same thing is the later one: messages may arrive in another order than they were sent in.

A node that dies and comes back is given what is new first, and what its predecessor had not finished afterwards.
"""

import time

_TIME_BITS = 52
"""Microseconds fit, until the year 2112."""


def number_of_wish(attempt: int) -> int:
    """A wish that is made now has a greater one: by attempt, and within one attempt by the clock of its host."""
    return attempt << _TIME_BITS | int(time.time() * 1e6)
