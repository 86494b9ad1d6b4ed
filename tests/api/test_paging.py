"""Limits, markers, sort keys and filters as every service reads them, and the links to the next page."""

from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import pytest

from kilonova.api import paging
from kilonova.api.call import Call
from kilonova.errors import BadRequest
from kilonova.model.page import Condition, Order, Page


def call(query: str) -> Call:
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        found.setdefault(name, []).append(value)
    world: Any = SimpleNamespace(public_url="http://cloud.test")
    nothing: Any = None
    return Call(world, "GET", "/image/v2/images", {}, found, {}, "req-1", nothing, nothing)


DEFAULT = (Order("created_at", True),)


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ("", Page(limit=1000, order=DEFAULT)),
        ("limit=5&marker=m", Page(limit=5, marker="m", order=DEFAULT)),
        ("limit=0", Page(limit=1000, order=DEFAULT)),
        ("limit=99999&marker=", Page(limit=1000, order=DEFAULT)),
        ("sort_key=name", Page(limit=1000, order=(Order("name"),))),
        ("sort_key=name&sort_key=size&sort_dir=desc&sort_dir=asc", Page(limit=1000, order=(Order("name", True), Order("size")))),
        ("sort_key=name&sort_key=size&sort_dir=desc", Page(limit=1000, order=(Order("name", True), Order("size", True)))),
        ("sort=name:desc,size", Page(limit=1000, order=(Order("name", True), Order("size")))),
        ("sort_dir=asc", Page(limit=1000, order=DEFAULT)),
    ],
)
def test_pages(query: str, page: Page) -> None:
    assert paging.read_page(call(query), ("name", "size"), DEFAULT) == page


@pytest.mark.parametrize(
    "query", ["limit=-1", "limit=a", "limit=1.5", "limit=٣", "sort_key=x", "sort=name:up", "sort_key=name&sort_dir=a&sort_dir=b"]
)
def test_what_is_no_page(query: str) -> None:
    with pytest.raises(BadRequest, match=r"limit|sort"):
        paging.read_page(call(query), ("name", "size"), DEFAULT)


def test_client_names_become_field_names() -> None:
    page = paging.read_page(call("sort_key=display_name"), {"display_name": "name"}, DEFAULT, most=None)
    assert page == Page(limit=None, order=(Order("name"),))


def test_filters() -> None:
    asked = call("name=a&name=b&status=up&public=yes&name__contains=x&other=1&status__gt=3")
    assert paging.read_filters(asked, ("name", "status"), ("public",)) == (
        Condition("name", ("a", "b"), "in"),
        Condition("status", "up"),
        Condition("public", True),
        Condition("name", "x", "contains"),
    )
    with pytest.raises(BadRequest, match="public"):
        paging.read_filters(call("public=perhaps"), (), ("public",))


def test_links_lead_on_only_from_a_full_page() -> None:
    asked = call("limit=2&marker=old&tag=a%26b&tag=c")
    page = paging.read_page(asked, (), ())
    query = "tag=a%26b&tag=c&limit=2&marker=i2"
    assert paging.next_links(asked, page, ["i1", "i2"]) == [{"rel": "next", "href": f"http://cloud.test/image/v2/images?{query}"}]
    assert paging.next_links(asked, page, ["i1"]) == []
    assert paging.next_path(asked, page, "i2", "/image") == f"/v2/images?{query}"
    assert paging.links_object(asked, page, ["i1", "i2"])["next"] == f"http://cloud.test/image/v2/images?{query}"
    assert paging.links_object(asked, page, ["i1"])["next"] is None
    assert paging.links_object(asked, Page(), ["i1"])["next"] is None
