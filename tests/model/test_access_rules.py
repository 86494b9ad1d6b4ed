"""Paths of access rules: what ``*``, ``**`` and ``{name}`` stand for, and that no pattern is slow."""

import time

import pytest

from kilonova.model.identity_credentials import LONGEST_PATH, AccessRule, path_meets, permits


@pytest.mark.parametrize(
    ("pattern", "path", "meets"),
    [
        ("/v2.1/servers", "/v2.1/servers", True),
        ("/v2.1/servers", "/v2x1/servers", False),
        ("/v2.1/servers", "/v2.1/servers/1", False),
        ("/v2.1/servers/*/ips", "/v2.1/servers/abc/ips", True),
        ("/v2.1/servers/*/ips", "/v2.1/servers/a/b/ips", False),
        ("/v2.1/servers/*/ips", "/v2.1/servers//ips", False),
        ("/v2.1/servers/{server_id}", "/v2.1/servers/abc", True),
        ("/v2.1/servers/{server_id}", "/v2.1/servers/abc/ips", False),
        ("/v2.1/servers/{server_id}", "/v2.1/servers/", False),
        ("/v2.1/**", "/v2.1/servers/a/b/ips", True),
        ("/v2.1/**", "/v2.1/", True),
        ("/v2.1/**", "/v2.0/servers", False),
        ("/v2.1/**/ips", "/v2.1/servers/a/ips", True),
        ("/v2.1/**/ips", "/v2.1/servers/a/metadata", False),
        ("/**", "/" + "x" * LONGEST_PATH, False),
        ("/a{b", "/a{b", True),
    ],
)
def test_paths(pattern: str, path: str, meets: bool) -> None:
    assert path_meets(pattern, path) is meets


def test_no_pattern_is_slow() -> None:
    began = time.process_time()
    assert not path_meets("/" + "**a" * 80, "/" + "a" * 1000 + "b")
    assert time.process_time() - began < 30, "a backtracking matcher would never end"


def test_service_and_method_count() -> None:
    rule = AccessRule(id="r", user_id="u", service="volumev3", method="GET", path="/v3/*/volumes")
    assert permits([rule], ("block-storage", "volumev3"), "GET", ("/v3/p/volumes", "/volume/v3/p/volumes"))
    assert not permits([rule], ("compute",), "GET", ("/v3/p/volumes",))
    assert not permits([rule], ("volumev3",), "POST", ("/v3/p/volumes",))
    assert not permits([], ("volumev3",), "GET", ("/v3/p/volumes",))
