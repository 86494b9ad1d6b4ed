"""Which part of a list is wanted: how many, after which, in what order, meeting which conditions. Knows no table and no URL."""

from typing import Literal

from msgspec import Struct

How = Literal["is", "contains", "starts", "ends", "in"]


class Order(Struct, frozen=True):
    """One sort key."""

    field: str
    descending: bool = False


class Page(Struct, frozen=True, kw_only=True):
    """`limit` None means all; `marker` is the id of the last item of the page before; the id is always the last sort key."""

    limit: int | None = None
    marker: str | None = None
    order: tuple[Order, ...] = ()


class Condition(Struct, frozen=True):
    """A field and what it must be. All but "is" and "in" compare text without regard to case; `value` of "in" is a tuple."""

    field: str
    value: str | bool | int | float | tuple[str, ...] | None
    how: How = "is"


EVERYTHING = Page()
