"""The table of docs/reliability.md: each deliberate defect, what it would mean, and which test saw it."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tests.mutants.defects import Defect

if TYPE_CHECKING:
    from tests.mutants.run import Found

BEGIN, END = "<!-- mutants -->", "<!-- end of mutants -->"


def table(defects: Sequence[Defect], results: Sequence["Found"]) -> str:
    """A line for each, and the sum."""
    killed = Counter(result.suite for result in results if result.killer)
    share = 100 * sum(killed.values()) / len(results)
    by = ", ".join(f"{number} by {_words(suite)}" for suite, number in killed.most_common())
    lines = [
        f"{sum(killed.values())} of {len(results)} turn a test red ({share:.0f} %): {by}.",
        "",
        "| defect | what it would mean | seen by |",
        "|---|---|---|",
    ]
    for defect, result in zip(defects, results, strict=True):
        seen = f"`{_short(result.killer)}`" if result.killer else "**nothing**"
        lines.append(f"| {defect.name} | {defect.why} | {seen} |")
    return "\n".join(lines)


def write(defects: Sequence[Defect], results: Sequence["Found"], page: Path) -> None:
    """Between its markers, and nowhere else."""
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{table(defects, results)}\n{END}{after}")


def _words(suite: str) -> str:
    return {"nearest": "the nearest tests", "make check": "the rest of `make check`"}.get(suite, f"the {suite}")


def _short(killer: str) -> str:
    """Without the case of a test that has many."""
    return killer.partition("[")[0]
