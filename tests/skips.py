"""The short list of skips that CI accepts, each with its reason, and what is not on it. Reads one file."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

LIST = Path(__file__).with_name("allowed_skips.txt")


def allowed(text: str | None = None) -> list[tuple[str, str]]:
    """(pattern of test names, pattern of the reason given by the test) for each line. A line without a why is refused."""
    found = []
    for line in (LIST.read_text() if text is None else text).splitlines():
        if line.strip() and not line.startswith("#"):
            name, reason, why = (part.strip() for part in line.split("|"))
            assert why, f"no reason why this may be skipped: {line}"
            found.append((name, reason))
    return found


def refused(skipped: Mapping[str, str], accepted: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Those of `skipped` (test name → the reason it gave) that no line of the list accepts."""
    return {
        name: given
        for name, given in skipped.items()
        if not any(fnmatchcase(name, pattern) and fnmatchcase(given, reason) for pattern, reason in accepted)
    }
