"""Which kinds of fault a seed has, and how often: a random few of them for each seed, since some hide what others show."""

import random
from collections.abc import Collection, Mapping

from msgspec import Struct

KINDS: Mapping[str, tuple[float, float, float]] = {
    # chance of each message, call, step, transaction or answer
    "lose": (0.01, 0.05, 0.2),
    "repeat": (0.01, 0.05, 0.3),
    "delay": (0.03, 0.1, 0.4),
    "ledger_slow": (0.01, 0.05, 0.2),
    "ledger_unheard": (0.003, 0.01, 0.05),
    "answer_lost": (0.01, 0.05, 0.2),
    "driver_fails": (0.005, 0.02, 0.1),
    "driver_slow": (0.01, 0.05, 0.2),
    # seconds between two of them
    "ledger_away": (60.0, 20.0, 5.0),
    "broker_emptied": (60.0, 20.0, 5.0),
    "cut_off": (60.0, 20.0, 8.0),
    "guest_ends": (30.0, 10.0, 2.0),
    # resumptions of a role between two of them
    "kill": (2000.0, 500.0, 120.0),
    "freeze": (2000.0, 500.0, 120.0),
    # bytes of a journal's write-ahead log lost when its role is killed
    "torn": (4200.0, 12_000.0, 60_000.0),
    # seconds a role's clock may be off
    "skew": (0.3, 1.0, 2.0),
}
"""Kind → how strong it is where it is weak, usual, strong."""
SHARE = 0.4
AWAY = ("kill", "freeze", "cut_off", "ledger_slow", "ledger_away", "ledger_unheard", "answer_lost", "lose", "delay")
"""Kinds during which a client may hear 503, or nothing."""


class Plan(Struct, frozen=True, kw_only=True):
    """`kinds`: kind → its strength, for those the seed has."""

    kinds: Mapping[str, float]

    def __getitem__(self, kind: str) -> float:
        """Its strength; 0 for none."""
        return self.kinds.get(kind, 0.0)

    @property
    def excuses(self) -> bool:
        """Whether a client may hear 503, or nothing, while faults go on."""
        return any(kind in self.kinds for kind in AWAY)


def plan_of(seed: int, without: Collection[str] = ()) -> Plan:
    """The same for the same seed; what it goes `without` changes nothing in the others."""
    chance = random.Random(f"{seed}/plan")
    drawn = {kind: (chance.random() < SHARE, chance.choice(strengths)) for kind, strengths in KINDS.items()}
    return Plan(kinds={kind: strength for kind, (there, strength) in drawn.items() if there and kind not in without})
