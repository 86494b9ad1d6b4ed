"""Lists of the network API: the query as a Listing, and the answer with its fields and links. Selects nothing itself."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from kilonova.api.call import Answer, Call
from kilonova.api.paging import MAX_LIMIT, here, read_flag, read_number
from kilonova.errors import BadRequest
from kilonova.model.network import Listing

_NOT_FILTERS = ("fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir")

View = Mapping[str, Any]


def read_listing(call: Call) -> Listing:
    """The query of a list request. A parameter given twice means either value. Raises BadRequest."""
    keys, directions = call.query.get("sort_key", []), call.query.get("sort_dir", [])
    if len(keys) != len(directions) and directions:
        raise _bad("The number of sort_keys and sort_dirs must be same")
    if any(direction not in ("asc", "desc") for direction in directions):
        raise _bad("sort_dir must be asc or desc")
    limit = read_number(call, "limit")
    return Listing(
        filters={name: tuple(values) for name, values in call.query.items() if name not in _NOT_FILTERS},
        sort=tuple((key, index < len(directions) and directions[index] == "desc") for index, key in enumerate(keys)),
        limit=min(limit, MAX_LIMIT) if limit else None,
        marker=call.param("marker") or None,
        page_reverse=read_flag(call, "page_reverse") or False,
    )


def show(call: Call, noun: str, view: View, status: int = 200) -> Answer:
    """One thing, with the fields that were asked for."""
    return Answer(status, {noun: _only(call, view)})


def show_all(call: Call, nouns: str, views: Sequence[View], wanted: Listing) -> Answer:
    """A page of things, and links to the pages around it."""
    body: dict[str, Any] = {nouns: [_only(call, view) for view in views]}
    if wanted.limit is not None and views:
        full = len(views) >= wanted.limit
        links = []
        if full or wanted.page_reverse:
            links.append({"rel": "next", "href": _href(call, str(views[-1]["id"]), reverse=False)})
        if full or not wanted.page_reverse:
            links.append({"rel": "previous", "href": _href(call, str(views[0]["id"]), reverse=True)})
        body[f"{nouns}_links"] = links
    return Answer(200, body)


def _only(call: Call, view: View) -> View:
    fields = [field for field in call.query.get("fields", []) if field]
    return {name: view[name] for name in view if name in fields} if fields else view


def _href(call: Call, marker: str, *, reverse: bool) -> str:
    kept = [(n, value) for n, values in call.query.items() if n not in ("marker", "page_reverse") for value in values]
    kept.append(("marker", marker))
    if reverse:
        kept.append(("page_reverse", "True"))
    return f"{here(call)}?{urlencode(kept, quote_via=quote)}"


def _bad(message: str) -> BadRequest:
    return BadRequest(message, kind="HTTPBadRequest")
