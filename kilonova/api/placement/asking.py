"""Placement's query language: amounts, traits, aggregates, each with its own little grammar. Looks nothing up."""

import re
import uuid
from collections.abc import Iterable

from msgspec import Struct

from kilonova.api.call import Call
from kilonova.errors import BadRequest
from kilonova.model.placement import RESOURCE_CLASSES, TRAITS, Provider

BAD_VALUE = "placement.query.bad_value"
_TRAIT = re.compile(r"[A-Z0-9_]{1,255}")
_STANDARD_TRAIT = re.compile(r"(COMPUTE|HW|STORAGE|MISC|OWNER)_[A-Z0-9_]+|HOST_[A-Z0-9_]+")
_MOST = 2**31 - 1


class Filter(Struct, frozen=True, kw_only=True):
    """What a provider must meet."""

    resources: dict[str, int] = {}
    any_of_traits: tuple[frozenset[str], ...] = ()
    """One of each set."""
    forbidden_traits: frozenset[str] = frozenset()
    any_of_aggregates: tuple[frozenset[str], ...] = ()
    forbidden_aggregates: frozenset[str] = frozenset()
    in_tree: str | None = None

    def fits(self, provider: Provider) -> bool:
        """All but the room: hosts are trees of one."""
        return (
            all(provider.traits & wanted for wanted in self.any_of_traits)
            and not provider.traits & self.forbidden_traits
            and all(provider.aggregates & wanted for wanted in self.any_of_aggregates)
            and not provider.aggregates & self.forbidden_aggregates
            and self.in_tree in (None, provider.id)
        )


def only(call: Call, known: Iterable[str]) -> None:
    """Raises BadRequest for a parameter that is not known in the client's version."""
    names = set(known)
    unknown = sorted(call.query.keys() - names)
    if unknown:
        raise BadRequest(
            f"Invalid query string parameters: Additional properties are not allowed ('{unknown[0][:64]}' was unexpected)"
        )


def filter_of(call: Call, suffix: str = "") -> Filter:
    """The filter in the parameters that end in `suffix`. Raises BadRequest."""
    minor = call.version[1]
    wanted, forbidden = _traits(call, f"required{suffix}", minor)
    aggregates, not_these = _aggregates(call, f"member_of{suffix}", minor)
    in_tree = call.param(f"in_tree{suffix}")
    return Filter(
        resources=resources(call.param(f"resources{suffix}")),
        any_of_traits=wanted,
        forbidden_traits=forbidden,
        any_of_aggregates=aggregates,
        forbidden_aggregates=not_these,
        in_tree=None if in_tree is None else uuid_of(in_tree, "in_tree"),
    )


def resources(text: str | None) -> dict[str, int]:
    """``VCPU:1,MEMORY_MB:512``; None is nothing. Raises BadRequest."""
    if text is None:
        return {}
    found: dict[str, int] = {}
    for part in text.split(","):
        name, colon, amount = part.partition(":")
        if not colon or not (amount.isascii() and amount.isdigit()) or len(amount) > 10 or not 0 < int(amount) <= _MOST:
            raise BadRequest(
                f"Badly formed resources parameter. Expected RC:amount, with an amount of 1 or more: {text[:80]}", BAD_VALUE
            )
        if name not in RESOURCE_CLASSES:
            raise BadRequest(f"Invalid resource class in resources parameter: No such resource class {name[:64]}.", BAD_VALUE)
        found[name] = int(amount)
    return found


def uuid_of(text: str, name: str) -> str:
    """Raises BadRequest."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise BadRequest(f"Expected '{name}' parameter to be a uuid. Got: {text[:64]}", BAD_VALUE) from None


def _traits(call: Call, name: str, minor: int) -> tuple[tuple[frozenset[str], ...], frozenset[str]]:
    values = call.query.get(name, [])
    if len(values) > 1 and minor < 39:
        raise BadRequest(f"Invalid query string parameters: '{name}' may be given once.", BAD_VALUE)
    wanted: list[frozenset[str]] = []
    forbidden: set[str] = set()
    for value in values:
        if value.startswith("in:") and minor >= 39:
            wanted.append(frozenset(_trait(part) for part in value.removeprefix("in:").split(",")))
            continue
        for part in value.split(","):
            if part.startswith("!") and minor >= 22:
                forbidden.add(_trait(part[1:]))
            else:
                wanted.append(frozenset((_trait(part),)))
    return tuple(wanted), frozenset(forbidden)


def _trait(text: str) -> str:
    if not _TRAIT.fullmatch(text):
        raise BadRequest(f"Invalid query string parameters: Expected a list of traits. Got: {text[:64]}", BAD_VALUE)
    if text not in TRAITS and not _STANDARD_TRAIT.fullmatch(text):
        raise BadRequest(f"No such trait(s): {text}.", BAD_VALUE)
    return text


def _aggregates(call: Call, name: str, minor: int) -> tuple[tuple[frozenset[str], ...], frozenset[str]]:
    values = call.query.get(name, [])
    if len(values) > 1 and minor < 24:
        raise BadRequest(f"Multiple {name} parameters are not supported.", BAD_VALUE)
    wanted: list[frozenset[str]] = []
    forbidden: set[str] = set()
    for value in values:
        against = value.startswith("!") and minor >= 32
        rest = value[1:] if against else value
        parts = rest.removeprefix("in:").split(",") if rest.startswith("in:") else [rest]
        ids = frozenset(uuid_of(part, name) for part in parts)
        if against:
            forbidden |= ids
        else:
            wanted.append(ids)
    return tuple(wanted), frozenset(forbidden)
