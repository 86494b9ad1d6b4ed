"""A table of the packet filter as a value: what it holds, its text, and the shortest text from one state to the next.

To take a rule or an element away costs the kernel 10 to 20 ms, to add one a hundredth of that; so only what differs is told.
It does not know what the rules mean, and ``nft.py`` hands the text to the kernel.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct


class Holding(Struct, frozen=True):
    """One set or map. `about`: its type and flags. `elements`: key → verdict, or empty for a set."""

    about: str
    elements: Mapping[str, str]

    @property
    def keyword(self) -> str:
        """``map`` when its elements lead somewhere."""
        return "map" if " : " in self.about else "set"


class Table(Struct, frozen=True):
    """`name` with its family (``bridge guard``); chains as name → lines, the first of a base chain says where it hooks in."""

    name: str
    sets: Mapping[str, Holding]
    chains: Mapping[str, tuple[str, ...]]


def whole(table: Table, *, anew: bool) -> str:
    """The table from nothing; `anew`: in place of one that may stand."""
    cleared = f"table {table.name}\ndelete table {table.name}\n" if anew else ""
    return cleared + _added(table.name, table.sets, table.chains) + _elements(table.name, table.sets, {})


def only_adds(before: Table, after: Table) -> bool:
    """True when nothing that stands in `before` is missing or different in `after`."""
    return before.chains.items() <= after.chains.items() and not any(
        _gone(known, after.sets.get(name)) for name, known in before.sets.items()
    )


def change(before: Table, after: Table) -> str:
    """From `before` to `after` in one transaction; empty when they are the same."""
    name, text = after.name, ""
    for key in before.sets:
        if gone := _gone(before.sets[key], after.sets.get(key)):
            text += f"delete element {name} {key} {{ {', '.join(sorted(gone))} }}\n"
    stale = [key for key, lines in before.chains.items() if after.chains.get(key) != lines]
    text += "".join(f"flush chain {name} {key}\n" for key in stale)
    new_sets = {key: known for key, known in after.sets.items() if key not in before.sets}
    text += _added(name, new_sets, {key: lines for key, lines in after.chains.items() if key not in before.chains})
    text += "".join(f"add rule {name} {key} {line}\n" for key in stale for line in after.chains.get(key, ()))
    text += _elements(name, after.sets, before.sets)
    text += "".join(f"delete chain {name} {key}\n" for key in stale if key not in after.chains)
    return text + "".join(f"delete {before.sets[key].keyword} {name} {key}\n" for key in before.sets if key not in after.sets)


def _gone(before: Holding, after: Holding | None) -> list[str]:
    """Keys that go, or lead elsewhere."""
    if after is None:
        return list(before.elements)
    return [key for key, verdict in before.elements.items() if after.elements.get(key) != verdict]


def _added(name: str, sets: Mapping[str, Holding], chains: Mapping[str, Iterable[str]]) -> str:
    if not sets and not chains:
        return ""
    lines = [f"  {known.keyword} {key} {{ {known.about} }}" for key, known in sets.items()]
    for key, rules in chains.items():  # each only once: to name a chain again costs the kernel as much as to change one
        lines += [f"  chain {key} {{", *(f"    {rule}" for rule in rules), "  }"]
    return f"table {name} {{\n" + "\n".join(lines) + "\n}\n"


def _elements(name: str, sets: Mapping[str, Holding], before: Mapping[str, Holding]) -> str:
    text = ""
    for key, known in sets.items():
        standing = before[key].elements if key in before else {}
        fresh = [
            f"{element} : {verdict}" if verdict else element
            for element, verdict in sorted(known.elements.items())
            if standing.get(element) != verdict
        ]
        if fresh:
            text += f"add element {name} {key} {{ {', '.join(fresh)} }}\n"
    return text
