"""Writes the table of docs/reliability.md: ``python -m tests.chaos.table RESULTS FILE``.

Exits with 1 when the table has anything in it that is not as promised.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from tests.chaos.proof import Case

BEGIN, END = "<!-- table -->", "<!-- end of table -->"
HEAD = ("fault", "cases", "fired", "as promised", "lost", "duplicated", "orphans", "longest recovery, s")


def read(folder: Path) -> list[Case]:
    """Every line of every file of results; where a case ran more than once, its last run."""
    found: dict[tuple[str, str], Case] = {}
    for file in sorted(folder.glob("*.jsonl"), key=lambda file: file.stat().st_mtime):
        for line in file.read_bytes().splitlines():
            case = msgspec.json.decode(line, type=Case)
            found[case.family, case.name] = case
    return list(found.values())


def table(cases: Iterable[Case]) -> str:
    """One row a family, and the sum of all."""
    families: dict[str, list[Case]] = {}
    for case in cases:
        families.setdefault(case.family, []).append(case)
    rows = [_row(family, members) for family, members in sorted(families.items())]
    rows.append(_row("**all**", [case for members in families.values() for case in members]))
    return "\n".join(["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD), *rows]) + "\n"


def put(text: str, rows: str) -> str:
    """The page with these rows in place of those that stand in it."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{rows}\n{END}{after}"


def _row(family: str, cases: list[Case]) -> str:
    times = [case.recovery_s for case in cases if case.recovery_s is not None]
    sums = [sum(getattr(case, name) for case in cases) for name in ("lost", "duplicated", "orphans")]
    counts = [len(cases), sum(bool(case.fired) for case in cases), sum(case.kept for case in cases), *sums]
    return f"| {family} | " + " | ".join(map(str, counts)) + f" | {max(times):.1f} |" if times else _without(family, counts)


def _without(family: str, counts: list[int]) -> str:
    return f"| {family} | " + " | ".join(map(str, counts)) + " | |"


def main(results: Path, page: Path) -> int:
    cases = read(results)
    page.write_text(put(page.read_text(), table(cases)))
    wrong = [case for case in cases if not case.kept]
    for case in wrong:
        print(f"not as promised: {case.family}: {case.name}")
    print(f"{len(cases)} cases, {len(wrong)} of them not as promised")
    return 1 if wrong or not cases else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
