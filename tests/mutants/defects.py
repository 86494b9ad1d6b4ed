"""The deliberate defects, as data: each an exact change of one file that must turn some test red."""

import tomllib
from pathlib import Path

import msgspec
from msgspec import Struct

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
LISTS = ("messages", "sagas", "ledger")


class Defect(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`old` stands in `file` exactly once and becomes `new`. `first`: tests that are nearest to it, as pytest's arguments."""

    name: str
    file: str
    old: str
    new: str
    why: str
    first: tuple[str, ...]

    def applied(self, text: str) -> str:
        """The file's text with the defect. Raises ValueError when the list no longer fits the code."""
        if (times := text.count(self.old)) != 1:
            raise ValueError(f"{self.file}: what '{self.name}' changes stands there {times} times")
        return text.replace(self.old, self.new)


def defects() -> list[Defect]:
    """All of them, in the order of the lists."""
    found: list[Defect] = []
    for name in LISTS:
        rows = tomllib.loads((HERE / f"{name}.toml").read_text())["defect"]
        found += msgspec.convert(rows, list[Defect])
    return found
