"""Application credentials: what a user hands to a program instead of its password, and the calls that program may make. No I/O.

An access rule names a service, a method and a path; in the path ``*`` and ``{name}`` stand for one segment, ``**`` for any.
"""

from collections.abc import Collection, Iterable
from functools import lru_cache

from msgspec import Struct

LONGEST_PATH = 1024
"""Characters of a path that is looked at: a longer one meets no rule, so that no rule is slow to check."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class AccessRule(Struct, frozen=True, kw_only=True):
    """One kind of call. It belongs to a user and outlives the credentials that use it."""

    id: str
    user_id: str
    service: str
    """A service type of the catalogue."""
    method: str
    path: str


class AppCredential(Struct, frozen=True, kw_only=True):
    """Good for one project with these roles, as long as its user has them. It never changes."""

    id: str
    user_id: str
    project_id: str
    name: str
    secret_hash: str
    description: str = ""
    expires_at: float | None = None
    """Unix time, or None for never."""
    role_ids: tuple[str, ...] = ()
    unrestricted: bool = False
    """Whether its tokens may make more credentials and trusts."""
    access_rule_ids: tuple[str, ...] = ()
    """Empty: every call the roles allow."""


class AppCredentialUse(Struct, frozen=True, kw_only=True):
    """What a token remembers of the application credential it was got with."""

    id: str
    name: str
    unrestricted: bool = False
    access_rules: tuple[AccessRule, ...] = ()


class Credential(Struct, frozen=True, kw_only=True):
    """A secret of a user that is kept for other programs (EC2 keys, certificates). `blob` is text in the form its type has."""

    id: str
    user_id: str
    type: str
    blob: str
    project_id: str = ""


class Trust(Struct, frozen=True, kw_only=True):
    """The trustor lets the trustee act in one project with some of its roles; as the trustor itself where `impersonation`."""

    id: str
    trustor_id: str
    trustee_id: str
    project_id: str
    impersonation: bool
    role_ids: tuple[str, ...]
    expires_at: float | None = None
    uses_left: int | None = None
    """Tokens that can still be got with it; None: any number."""


def permits(rules: Iterable[AccessRule], services: Collection[str], method: str, paths: Collection[str]) -> bool:
    """Does any rule allow `method` on one of `paths` (the same place, written in several ways) of one of `services`?"""
    return any(
        rule.service in services and rule.method == method and any(path_meets(rule.path, path) for path in paths)
        for rule in rules
    )


def path_meets(pattern: str, path: str) -> bool:
    """Time grows with the product of both lengths at most, whatever the pattern: users write them."""
    if len(path) > LONGEST_PATH:
        return False
    parts = _parts(pattern)
    here = _reached(parts, {0})
    for character in path:
        there = set()
        for index in here:
            if index < len(parts) and _takes(parts[index], character):
                there.add(index if parts[index] in (_REST_OF_SEGMENT, _ANYTHING) else index + 1)
        here = _reached(parts, there)
        if not here:
            return False
    return len(parts) in here


_IN_SEGMENT, _REST_OF_SEGMENT, _ANYTHING = "one", "more", "any"
"""One character but a slash, any number of such, any number of any; every other part is the character it stands for."""


@lru_cache(maxsize=1024)
def _parts(pattern: str) -> tuple[str, ...]:
    parts: list[str] = []
    index = 0
    while index < len(pattern):
        closing = pattern.find("}", index) if pattern[index] == "{" else -1
        if pattern.startswith("**", index):
            parts.append(_ANYTHING)
            index += 2
        elif pattern[index] == "*" or closing > 0:
            parts += [_IN_SEGMENT, _REST_OF_SEGMENT]
            index = closing + 1 if closing > 0 else index + 1
        else:
            parts.append(pattern[index])
            index += 1
    return tuple(parts)


def _reached(parts: tuple[str, ...], places: set[int]) -> set[int]:
    """With the places that are reached without taking a character."""
    waiting = list(places)
    while waiting:
        index = waiting.pop()
        if index < len(parts) and parts[index] in (_REST_OF_SEGMENT, _ANYTHING) and index + 1 not in places:
            places.add(index + 1)
            waiting.append(index + 1)
    return places


def _takes(part: str, character: str) -> bool:
    if part == _ANYTHING:
        return True
    if part in (_IN_SEGMENT, _REST_OF_SEGMENT):
        return character != "/"
    return part == character
