"""A ledger with empty tables in a blink: made once for each test process, then copied."""

import tempfile
from functools import cache
from pathlib import Path

from kilonova.ledger.migrate import prepare


def fresh_ledger(file: Path) -> str:
    """The URL of a new ledger in `file`, as `kilonova control` would make it."""
    file.write_bytes(_template())
    return f"sqlite:///{file}"


@cache
def _template() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ledger.sqlite"
        prepare(f"sqlite:///{file}")
        return file.read_bytes()
