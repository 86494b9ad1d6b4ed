"""`python -m kilonova.guestimage TARGET`: builds the guest image at TARGET, a line for each thing it does.

The cache is `$KILONOVA_CACHE/guestimage`, or else `kilonova/guestimage` in the user's cache folder.
"""

import sys
from pathlib import Path

from kilonova.errors import KilonovaError
from kilonova.guestimage import build, own_cache


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def main() -> int:
    """Build at the path given as the only argument; 0 if done, 1 with one line on what is wrong, 2 if called wrongly."""
    if len(sys.argv) != 2:
        _say("usage: python -m kilonova.guestimage TARGET")
        return 2
    try:
        build(Path(sys.argv[1]), own_cache(), _say)
    except KilonovaError as reason:
        _say(str(reason))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
