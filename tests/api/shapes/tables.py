"""What the tables of several services share: the forms of errors, of links and of quotas."""

from collections.abc import Iterable, Mapping

from tests.api.shapes.notation import Map, Open, Shape

Answers = dict[str, Mapping[int, Shape]]
"""``METHOD /path/{gap}`` below the service's mount → status → the shape; None: no body."""
BYTES = bytes
"""A body that is no JSON."""


def error_of_nova(status: int) -> Shape:
    """Nova's and Cinder's: one key that names the class of error."""
    return Map({"code": status, "message": str, "retryAfter?": str}, name=r"[a-zA-Z]+", at_least=1)


def limits_of(names: Iterable[str], value: Shape, others: str) -> Shape:
    """A set of quotas: each of these, perhaps whose it is, and those that are named as `others` says."""
    return Open({**dict.fromkeys(names, value), "id?": str}, value, others)
