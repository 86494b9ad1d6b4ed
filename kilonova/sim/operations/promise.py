"""What a simulated cloud has promised its clients, and what is said when it does not keep it. Sends nothing, reads nothing."""

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct, field

Kind = Literal["server", "volume", "snapshot", "image", "port", "router", "floatingip", "group", "network"]
Said = Literal["no", "maybe", "yes"]


class Violation(Struct, frozen=True, kw_only=True):
    """A promise that was not kept. `about` is an id; `facts` are what one needs to see why, a line each."""

    kind: str
    about: str
    text: str
    facts: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join((f"{self.kind}: {self.about}: {self.text}", *(f"    {fact}" for fact in self.facts)))


class Tenant(Struct, frozen=True, kw_only=True):
    """A project and the user who works in it."""

    name: str
    project_id: str
    user_id: str
    token: str
    outside: str
    """The external network."""


class Deed(Struct, frozen=True, kw_only=True):
    """An action that was accepted. `request_id` is how the history names it; `at` is Unix time."""

    name: str
    request_id: str
    at: float


class Promise(Struct, kw_only=True):
    """One thing that the cloud has taken on. `at`: when (Unix time); `owner`: the tenant's name."""

    kind: Kind
    id: str
    name: str
    owner: str
    at: float
    deeds: list[Deed] = field(default_factory=list)
    deleted: Said = "no"
    """Whether its deletion was asked for: ``maybe`` when no answer came."""
    of: str = ""
    """What it was made of: a snapshot's volume, an image's server."""
    with_servers: list[str] = field(default_factory=list)
    """Servers that may take it along when they go."""
    with_named: list[str] = field(default_factory=list)
    """Names of such servers whose creation nobody answered."""
    from_volume: bool = False
    """A server that boots from a volume."""
    forced: bool = False
    """An admin has set its state by hand: what it is then is nobody's promise."""


class Maybe(Struct, frozen=True, kw_only=True):
    """Things of this name, or of this name and a number, that no answer has named: none, or `least` to `most` of them.

    `least` 0: there was no answer, so there may be none. `at`: when it was asked for (Unix time).
    """

    kind: Kind
    name: str
    owner: str
    at: float
    least: int = 0
    most: int = 1


class Promises:
    """Everything that was accepted, by id."""

    def __init__(self) -> None:
        self.accepted: dict[str, Promise] = {}
        self.maybes: list[Maybe] = []

    def keep(self, promise: Promise) -> Promise:
        """Said twice, it is the same promise."""
        return self.accepted.setdefault(promise.id, promise)

    def maybe(self, maybe: Maybe) -> None:
        self.maybes.append(maybe)

    def of(self, kind: Kind, owner: str = "") -> Sequence[Promise]:
        """Those that nobody has asked to delete, oldest first."""
        return [one for one in self.accepted.values() if one.kind == kind and one.deleted == "no" and owner in ("", one.owner)]

    def ever(self, kind: Kind) -> Sequence[Promise]:
        return [one for one in self.accepted.values() if one.kind == kind]


def violation(kind: str, about: str, text: str, *facts: Any) -> Violation:
    return Violation(kind=kind, about=about, text=text, facts=tuple(str(fact) for fact in facts))
