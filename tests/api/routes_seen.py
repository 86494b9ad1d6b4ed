"""Which request of which route was answered how, and in which test: what `test_route_guard.py` goes by.

``KILONOVA_RECORD_ROUTES=1 pytest -n 0 tests/api`` writes `routes_seen.json` anew: for each route of each service one
test in which it succeeds (below 400) and one in which it is refused (400 to 499, or 501), replayed with the rest of the suite.
"""

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

from kilonova.api.service import Service

FILE = Path(__file__).with_suffix(".json")
RECORDING = bool(os.environ.get("KILONOVA_RECORD_ROUTES"))
Seen = dict[str, dict[str, str]]
"""``METHOD /mount/path/{gap}`` → ``succeeds`` and ``fails`` → the test."""

_seen: Seen = {}
_patterns: dict[str, list[tuple[str, re.Pattern[str], str]]] = {}


def note(services: Iterable[Service], method: str, path: str, status: int) -> None:
    """Called for every answer while a record is made."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").split(" ")[0].split("[")[0]
    kind = "succeeds" if status < 400 else "fails" if status < 500 or status == 501 else None
    route = next((found for service in services if (found := _route(service, method, path))), None)
    if test and kind and route:
        _seen.setdefault(route, {}).setdefault(kind, test)


def write() -> None:
    """What was seen replaces what was known of these routes; what was not run is kept."""
    known: Seen = known_routes() if FILE.exists() else {}
    for route, found in _seen.items():
        known[route] = {**known.get(route, {}), **found}
    FILE.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")


def known_routes() -> Seen:
    found: Seen = json.loads(FILE.read_text())
    return found


def names(service: Service) -> list[str]:
    """Every route of a service, as it stands in the record."""
    return [f"{method} {service.mount}{path}" for path, methods in service.routes.items() for method in methods]


def _route(service: Service, method: str, path: str) -> str | None:
    if service.name not in _patterns:
        _patterns[service.name] = _patterns_of(service)
    for verb, pattern, name in _patterns[service.name]:
        if verb == method and pattern.fullmatch(path):
            return name
    return None


def _patterns_of(service: Service) -> list[tuple[str, re.Pattern[str], str]]:
    """Those with fewer gaps first: ``/servers/detail`` is no server."""
    found = [
        (method, re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(service.mount + path))), f"{method} {service.mount}{path}")
        for path, methods in service.routes.items()
        for method in methods
    ]
    return sorted(found, key=lambda one: one[2].count("{"))
