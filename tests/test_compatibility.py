"""docs/compatibility.md: every operation of the APIs we speak, from the program's own route tables and docs/compatibility.toml.

What is routed is there; the toml says what of it is only partly there, and which operations of the reference are not there at
all. Those are asked for, in process, and must be answered as the page says. ``KILONOVA_WRITE_DOCS=1`` writes the page anew.
"""

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kilonova.api.compute.server_actions import ACTIONS, NOT_BUILT
from kilonova.api.service import Service
from kilonova.sim.folder import EVERY_SERVICE

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "compatibility.md"
TOLD: dict[str, Any] = tomllib.loads((ROOT / "docs" / "compatibility.toml").read_text())
SERVICES = {service.name: service for service in EVERY_SERVICE}
AGAIN = {"compute": "/v2/", "volume": "/v3/{project_id}/"}
"""The same paths once more: by the older name of a version, or below the caller's project."""

HEAD = """# Compatibility

Every operation of the OpenStack APIs that Kilonova speaks, and those of the reference that it does not. Written from the route
tables; a test asks for what is not there and checks the answer.

- **there**: as the API reference has it, microversion by microversion.
- **partly**: what is missing is named.
- **not there**: what a client gets instead is named.

"""


def routed(service: Service) -> set[str]:
    """``GET /v2.1/servers/{server_id}`` of every route, once."""
    found = set()
    for path, methods in service.routes.items():
        if path.startswith(AGAIN.get(service.name, "//")):
            continue
        found |= {f"{method} {path or '/'}" for method in methods}
    return found


def actions() -> dict[str, str]:
    """Server action → there or 501."""
    return {name: "there" for name in ACTIONS} | {name: "not there: 501 and a sentence" for name in NOT_BUILT}


def lines(service: Service) -> Iterator[str]:
    told = TOLD.get(service.name, {})
    partly, absent = told.get("partly", {}), told.get("absent", {})
    rows = {operation: "there" for operation in routed(service)}
    rows |= {operation: f"partly: {what}" for operation, what in partly.items()}
    rows |= {operation: f"not there: {what}" for operation, what in absent.items()}
    yield f"## {service.name}\n"
    yield f"{len(routed(service))} operations, {len(partly)} of them partly; {len(absent)} of the reference are not there.\n"
    yield "| operation | |"
    yield "|---|---|"
    for operation, state in sorted(rows.items(), key=lambda row: row[0].split(" ", 1)[::-1]):
        yield f"| `{operation}` | {state} |"
    if service.name == "compute":
        yield "\n### Server actions: `POST /v2.1/servers/{server_id}/action`\n"
        yield "| action | |"
        yield "|---|---|"
        partly_actions = told.get("partly_actions", {})
        for name, state in sorted(actions().items()):
            yield f"| `{name}` | {'partly: ' + partly_actions[name] if name in partly_actions else state} |"
    yield ""


def test_the_page_says_what_is_there() -> None:
    text = HEAD + "\n".join(line for service in EVERY_SERVICE for line in lines(service))
    if os.environ.get("KILONOVA_WRITE_DOCS"):
        PAGE.write_text(text)
    assert PAGE.read_text() == text, "KILONOVA_WRITE_DOCS=1 pytest tests/test_compatibility.py writes it anew"


def test_what_is_told_of_is_of_a_service() -> None:
    assert set(TOLD) <= set(SERVICES)


@pytest.mark.parametrize("name", TOLD)
def test_what_is_partly_there_is_routed_and_what_is_absent_is_not(name: str) -> None:
    known = routed(SERVICES[name])
    assert set(TOLD[name].get("partly", {})) <= known
    assert not set(TOLD[name].get("absent", {})) & known
    assert set(TOLD[name].get("partly_actions", {})) <= set(ACTIONS)
