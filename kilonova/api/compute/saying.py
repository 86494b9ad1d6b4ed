"""The small pieces that documents are made of: times, links, pages. Knows no noun."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

from kilonova.api.call import Call
from kilonova.api.compute.changes.change import Document

Query = Mapping[str, list[str]]


def stamp(when: float) -> str:
    """``2026-01-02T03:04:05Z``"""
    return datetime.fromtimestamp(int(when), UTC).isoformat()[:19] + "Z"


def long_stamp(when: float | None) -> str | None:
    """``2026-01-02T03:04:05.000000``, as usage, services and actions write it."""
    return None if when is None else datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def links(call: Call, collection: str, item: str) -> list[dict[str, str]]:
    """The two links of a thing: with the version in it, and without."""
    base = call.world.public_url
    return [
        {"rel": "self", "href": f"{base}/compute/v2.1/{collection}/{item}"},
        {"rel": "bookmark", "href": f"{base}/compute/{collection}/{item}"},
    ]


def bookmark(call: Call, collection: str, item: str) -> list[dict[str, str]]:
    """The one link of a thing that is only mentioned."""
    return [{"rel": "bookmark", "href": f"{call.world.public_url}/compute/{collection}/{item}"}]


def next_page(call: Call, name: str, found: Sequence[str], limit: int) -> Document:
    """``{name_links: [next]}`` when the page is full, else nothing. `found` are the markers of what is shown."""
    if not found or len(found) < limit:
        return {}
    kept = [(key, value) for key, values in call.query.items() for value in values if key != "marker"]
    where = f"{call.world.public_url}{call.url_path}?{urlencode([*kept, ('marker', found[-1])])}"
    return {f"{name}_links": [{"rel": "next", "href": where}]}
