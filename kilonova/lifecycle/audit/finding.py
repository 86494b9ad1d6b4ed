"""A finding, and the reports of an audit and of a repair. Plain data."""

from msgspec import Struct


class Finding(Struct, frozen=True, kw_only=True):
    """Something that does not fit. `about` is an id; `host` (or node) and `text` are for the operator."""

    kind: str
    about: str
    text: str
    host: str = ""

    @property
    def name(self) -> tuple[str, str, str]:
        """What makes it the same finding when it is found again."""
        return self.kind, self.about, self.host


class AuditReport(Struct, frozen=True, kw_only=True):
    """Nothing found is an empty list. `asked` says how many nodes answered, `in_motion` how many servers were left out."""

    findings: tuple[Finding, ...]
    servers: int
    asked: int
    in_motion: int


class Mended(Struct, frozen=True, kw_only=True):
    """One finding and what was done about it, or (`done` False) why nothing was: a sentence for the operator."""

    kind: str
    about: str
    host: str
    done: bool
    text: str


class RepairReport(Struct, frozen=True, kw_only=True):
    """What was found, what was done, and what is left once things have settled."""

    before: AuditReport
    mended: tuple[Mended, ...]
    after: AuditReport
