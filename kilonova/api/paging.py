"""Lists in pages, for every service: reads limit, marker, sort and filters from a query, and builds the links to the next page.

It selects nothing: the Page and Conditions it returns go to the ledger. What is malformed is a BadRequest naming the parameter.
"""

from collections.abc import Collection, Mapping, Sequence
from urllib.parse import quote, urlencode

from kilonova.api.call import Call
from kilonova.errors import BadRequest
from kilonova.model.page import Condition, How, Order, Page

MAX_LIMIT = 1000
PAGING_PARAMETERS = ("limit", "marker", "sort_key", "sort_dir", "sort", "page_reverse", "offset")
_TRUE = ("true", "1", "t", "yes", "y", "on")
_FALSE = ("false", "0", "f", "no", "n", "off")
_DIRECTIONS = {"asc": False, "desc": True}
_INEXACT: Mapping[str, How] = {
    "contains": "contains",
    "icontains": "contains",
    "startswith": "starts",
    "istartswith": "starts",
    "endswith": "ends",
    "iendswith": "ends",
}


def read_page(
    call: Call, sort_keys: Collection[str] | Mapping[str, str], default: Sequence[Order], most: int | None = MAX_LIMIT
) -> Page:
    """The page a query asks for.

    `sort_keys` are the sort keys a client may name, or a mapping from the client's name to the field's.
    `most` caps the limit and is the limit where none is given; None: no limit unless one is given.
    `sort_key`/`sort_dir` may be repeated (Nova, Neutron, Glance); ``sort=key:dir,key`` (Glance, Cinder) is read too.
    """
    limit = read_limit(call, most)
    marker = call.param("marker") or None
    return Page(limit=limit, marker=marker, order=_read_order(call, sort_keys) or tuple(default))


def read_limit(call: Call, most: int | None = MAX_LIMIT) -> int | None:
    """`limit` as a number no larger than `most`; 0 means as many as there may be, as in Neutron."""
    limit = read_number(call, "limit")
    if not limit:
        return most
    return limit if most is None else min(limit, most)


def read_number(call: Call, name: str, lowest: int = 0) -> int | None:
    """A whole number from the query, or None where there is none."""
    text = call.param(name)
    if text is None or text == "":
        return None
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10):
        raise BadRequest(f"Invalid input for query parameter {name}. Value: {text[:64]}. It must be an integer.")
    number = int(text)
    if number < lowest:
        raise BadRequest(f"Invalid input for query parameter {name}. Value: {number}. It must be {lowest} or more.")
    return number


def read_flag(call: Call, name: str) -> bool | None:
    """A yes or no from the query, or None where there is none. ``?name`` without a value is a yes, as in Keystone."""
    text = call.param(name)
    return None if text is None else as_flag(name, text)


def as_flag(name: str, text: str) -> bool:
    """`text` as a yes or no; raises BadRequest with the parameter's name."""
    lowered = text.lower()
    if lowered in _TRUE or lowered == "":
        return True
    if lowered in _FALSE:
        return False
    raise BadRequest(f"Invalid input for query parameter {name}. Value: {text[:64]}. It must be true or false.")


def read_filters(call: Call, texts: Collection[str], flags: Collection[str] = ()) -> tuple[Condition, ...]:
    """Conditions of the query on these fields. A repeated parameter means any of its values; others are ignored.

    Text may be compared inexactly, as in Keystone: ``name__contains``, ``name__startswith``, ``name__endswith`` (and ``i…``).
    """
    found: list[Condition] = []
    for parameter, values in call.query.items():
        name, _, how = parameter.partition("__")
        if name in flags and not how:
            found.append(Condition(name, as_flag(name, values[-1])))
        elif name in texts and not how:
            found.append(Condition(name, values[0]) if len(values) == 1 else Condition(name, tuple(values), "in"))
        elif name in texts and how in _INEXACT:
            found.extend(Condition(name, value, _INEXACT[how]) for value in values)
    return tuple(found)


def has_more(items: Sequence[object], page: Page) -> bool:
    """True when there may be a page after this one: this one is full."""
    return page.limit is not None and len(items) >= page.limit > 0


def next_query(call: Call, page: Page, last_id: str) -> str:
    """The query of the next page: this one's, with limit and marker set. Without the question mark."""
    pairs = [(name, value) for name, values in call.query.items() if name not in ("marker", "limit") for value in values]
    if page.limit is not None:
        pairs.append(("limit", str(page.limit)))
    pairs.append(("marker", last_id))
    return urlencode(pairs, quote_via=quote)


def next_url(call: Call, page: Page, last_id: str) -> str:
    """The absolute address of the next page."""
    return f"{here(call)}?{next_query(call, page, last_id)}"


def next_path(call: Call, page: Page, last_id: str, mount: str) -> str:
    """The next page as a path below the service's mount, as Glance gives it (``/v2/images?marker=…``)."""
    return f"{quote(call.url_path.removeprefix(mount))}?{next_query(call, page, last_id)}"


def here(call: Call) -> str:
    """The absolute address of this request, without its query."""
    return call.world.public_url + quote(call.url_path)


def next_links(call: Call, page: Page, ids: Sequence[str]) -> list[dict[str, str]]:
    """``…_links`` of Nova, Neutron and Cinder: one entry ``next``, or none. `ids` are those of the items shown."""
    return [{"rel": "next", "href": next_url(call, page, ids[-1])}] if has_more(ids, page) else []


def links_object(call: Call, page: Page, ids: Sequence[str]) -> dict[str, str | None]:
    """``links`` of a Keystone list: self, previous, next."""
    query = urlencode([(name, value) for name, values in call.query.items() for value in values], quote_via=quote)
    self_url = f"{here(call)}?{query}" if query else here(call)
    return {"self": self_url, "previous": None, "next": next_url(call, page, ids[-1]) if has_more(ids, page) else None}


def _read_order(call: Call, sort_keys: Collection[str] | Mapping[str, str]) -> tuple[Order, ...]:
    keys = [key for key in call.query.get("sort_key", []) if key]
    directions = [direction for direction in call.query.get("sort_dir", []) if direction]
    for part in (call.param("sort") or "").split(","):
        if part.strip():
            key, _, direction = part.strip().partition(":")
            keys.append(key)
            directions.append(direction or "asc")
    if len(directions) > len(keys) > 0:
        raise BadRequest("There are more sort directions than sort keys.")
    order = []
    for index, key in enumerate(keys):
        direction = directions[index] if index < len(directions) else (directions[-1] if directions else "asc")
        order.append(Order(_known_key(key, sort_keys), _descending(direction)))
    return tuple(order)


def _known_key(key: str, sort_keys: Collection[str] | Mapping[str, str]) -> str:
    if key not in sort_keys:
        raise BadRequest(
            f"Invalid input for query parameter sort_key. Value: {key[:64]}. It must be one of {', '.join(sorted(sort_keys))}."
        )
    return sort_keys[key] if isinstance(sort_keys, Mapping) else key


def _descending(direction: str) -> bool:
    if direction not in _DIRECTIONS:
        raise BadRequest(f"Invalid input for query parameter sort_dir. Value: {direction[:64]}. It must be asc or desc.")
    return _DIRECTIONS[direction]
