"""Every compute microversion, one file for each that changes something served here. Inside there is only the newest shape."""

from collections.abc import Mapping
from functools import cache

from kilonova.api.compute.changes import (
    v2_02,
    v2_03,
    v2_05,
    v2_09,
    v2_10,
    v2_11,
    v2_13,
    v2_15,
    v2_16,
    v2_19,
    v2_21,
    v2_23,
    v2_26,
    v2_28,
    v2_32,
    v2_33,
    v2_35,
    v2_36,
    v2_37,
    v2_38,
    v2_39,
    v2_41,
    v2_47,
    v2_50,
    v2_52,
    v2_53,
    v2_54,
    v2_55,
    v2_57,
    v2_58,
    v2_59,
    v2_61,
    v2_62,
    v2_63,
    v2_64,
    v2_66,
    v2_71,
    v2_73,
    v2_74,
    v2_75,
    v2_80,
    v2_83,
    v2_84,
    v2_88,
    v2_90,
    v2_92,
    v2_94,
    v2_96,
    v2_98,
    v2_100,
    v2_102,
    v2_104,
)
from kilonova.api.compute.changes.change import Asked, Change, Lift, Lower, Shown
from kilonova.api.compute.changes.history import VERSIONS

OLDEST = (2, 1)
NEWEST = (2, max(VERSIONS))

CHANGES: Mapping[int, Change] = {
    2: v2_02.CHANGE,
    3: v2_03.CHANGE,
    5: v2_05.CHANGE,
    9: v2_09.CHANGE,
    10: v2_10.CHANGE,
    11: v2_11.CHANGE,
    13: v2_13.CHANGE,
    15: v2_15.CHANGE,
    16: v2_16.CHANGE,
    19: v2_19.CHANGE,
    21: v2_21.CHANGE,
    23: v2_23.CHANGE,
    26: v2_26.CHANGE,
    28: v2_28.CHANGE,
    32: v2_32.CHANGE,
    33: v2_33.CHANGE,
    35: v2_35.CHANGE,
    36: v2_36.CHANGE,
    37: v2_37.CHANGE,
    38: v2_38.CHANGE,
    39: v2_39.CHANGE,
    41: v2_41.CHANGE,
    47: v2_47.CHANGE,
    50: v2_50.CHANGE,
    52: v2_52.CHANGE,
    53: v2_53.CHANGE,
    54: v2_54.CHANGE,
    55: v2_55.CHANGE,
    57: v2_57.CHANGE,
    58: v2_58.CHANGE,
    59: v2_59.CHANGE,
    61: v2_61.CHANGE,
    62: v2_62.CHANGE,
    63: v2_63.CHANGE,
    64: v2_64.CHANGE,
    66: v2_66.CHANGE,
    71: v2_71.CHANGE,
    73: v2_73.CHANGE,
    74: v2_74.CHANGE,
    75: v2_75.CHANGE,
    80: v2_80.CHANGE,
    83: v2_83.CHANGE,
    84: v2_84.CHANGE,
    88: v2_88.CHANGE,
    90: v2_90.CHANGE,
    92: v2_92.CHANGE,
    94: v2_94.CHANGE,
    96: v2_96.CHANGE,
    98: v2_98.CHANGE,
    100: v2_100.CHANGE,
    102: v2_102.CHANGE,
    104: v2_104.CHANGE,
}


@cache
def lifts(asked: Asked, minor: int) -> tuple[Lift, ...]:
    """What turns a request of version 2.`minor` into the newest form, in order."""
    return tuple(CHANGES[n].lift[asked] for n in sorted(CHANGES) if n > minor and asked in CHANGES[n].lift)


@cache
def lowers(shown: Shown, minor: int) -> tuple[Lower, ...]:
    """What turns the newest form of an answer into that of version 2.`minor`, in order."""
    return tuple(CHANGES[n].lower[shown] for n in sorted(CHANGES, reverse=True) if n > minor and shown in CHANGES[n].lower)
