"""How the shape of an answer is written down, and whether a JSON value fits it.

A shape is: a type (`str`; a number with a point may be whole; `object`: anything), a union (``str | None``), a value that must
be equal (``"ACTIVE"``), a list of one shape (each member fits it), a dict (these keys and no others), `Text`, `Map`, `OneOf` or
`Open`.
The keys of a dict are ``name``, ``name?`` (may be missing), ``name@2.47`` (since that microversion), ``name@-2.46`` (until),
``name@2.26-2.46``. Nothing here knows a service.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Any, get_args

Version = tuple[int, int]
Shape = Any


@dataclass(frozen=True)
class Text:
    """A string that matches as a whole."""

    pattern: str


@dataclass(frozen=True)
class Map:
    """An object whose names are data: each matches `name`, each value fits `value`."""

    value: Shape
    name: str = r"(?s:.*)"
    at_least: int = 0


@dataclass(frozen=True)
class Open:
    """An object with these keys, and others that are named so and whose values fit `rest`."""

    known: Mapping[str, Shape]
    rest: Shape
    named: str = r"(?s:.*)"


class OneOf(tuple[Shape, ...]):
    """Fits one of these shapes."""

    def __new__(cls, *shapes: Shape) -> "OneOf":
        return super().__new__(cls, shapes)


UUID = Text(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
HEX = Text(r"[0-9a-f]{32}")
TIME = Text(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
TIME_Z = Text(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
TIME_MICRO = Text(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}")
TIME_MICRO_Z = Text(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
LINKS = [{"rel": str, "href": Text(r"https?://.+"), "type?": str}]


def maybe(shape: Shape) -> OneOf:
    """Or null."""
    return OneOf(shape, type(None))


def misfits(value: object, shape: Shape, version: Version = (0, 0), at: str = "") -> Iterator[str]:
    """In words, whatever of `value` does not fit; nothing when all of it does."""
    if isinstance(shape, dict):
        yield from _object(value, Open(shape, None, "(?!)"), version, at)
    elif isinstance(shape, Open):
        yield from _object(value, shape, version, at)
    elif isinstance(shape, Map):
        yield from _map(value, shape, version, at)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{at or 'it'} is no list: {value!r:.200}"
        else:
            for place, one in enumerate(value):
                yield from misfits(one, shape[0], version, f"{at}[{place}]")
    elif isinstance(shape, OneOf):
        found = [list(misfits(value, one, version, at)) for one in shape]
        if all(found):
            yield from min(found, key=len)
    elif not _is(value, shape):
        yield f"{at or 'it'} is {value!r:.200}, not {shape}"


def _is(value: object, shape: Shape) -> bool:
    if isinstance(shape, Text):
        return isinstance(value, str) and re.fullmatch(shape.pattern, value) is not None
    if isinstance(shape, UnionType):
        return any(_is(value, one) for one in get_args(shape))
    if shape is None:
        return value is None
    if not isinstance(shape, type):
        return bool(type(value) is type(shape) and value == shape)
    if shape is float:
        return type(value) in (int, float)
    return shape is object or type(value) is shape


def _object(value: object, form: Open, version: Version, at: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{at or 'it'} is no object: {value!r:.200}"
        return
    wanted = {}
    for written, shape in form.known.items():
        name, optional, since, until = _key(written)
        if since <= version <= until:
            wanted[name] = shape
            if name not in value and not optional:
                yield f"{at}.{name} is missing"
    for name, one in value.items():
        if name in wanted:
            yield from misfits(one, wanted[name], version, f"{at}.{name}")
        elif re.fullmatch(form.named, name) is None:
            yield f"{at}.{name} is no part of it"
        else:
            yield from misfits(one, form.rest, version, f"{at}.{name}")


def _map(value: object, shape: Map, version: Version, at: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{at or 'it'} is no object: {value!r:.200}"
        return
    if len(value) < shape.at_least:
        yield f"{at or 'it'} has {len(value)} members"
    for name, one in value.items():
        if re.fullmatch(shape.name, name) is None:
            yield f"{at}.{name} is not named so: {shape.name}"
        yield from misfits(one, shape.value, version, f"{at}.{name}")


@cache
def _key(written: str) -> tuple[str, bool, Version, Version]:
    """(name, may be missing, since, until)."""
    found = re.fullmatch(r"(.*?)(?:@(\d+\.\d+)?(?:-(\d+\.\d+))?)?(\?)?", written)
    assert found is not None
    name, since, until, optional = found.groups()
    return name, bool(optional), version_of(since or "0.0"), version_of(until or "99.0")


def version_of(text: str) -> Version:
    major, _, minor = text.partition(".")
    return int(major), int(minor)
