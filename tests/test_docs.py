"""The documentation says what is there: settings, verbs, messages, steps, microversions.

``KILONOVA_WRITE_DOCS=1`` writes the page of microversions anew.
"""

import os
import re
from pathlib import Path

import click
import pytest

from kilonova.api.compute.changes.history import VERSIONS
from kilonova.build import ADMIT, CARRY_OUT, PLACE
from kilonova.build.report import (
    BuildProgress,
    Confirmed,
    ReportBatch,
    ServerGone,
    ServerNotBuilt,
    ServerRuns,
    TaskDone,
    TaskFailed,
)
from kilonova.cli import main
from kilonova.lifecycle.actions import SERVER_ACTIONS
from kilonova.lifecycle.remove import REMOVE
from kilonova.lifecycle.task import Asked
from kilonova.lifecycle.volume_sagas import WORKS
from kilonova.settings import Settings

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
OPERATING = (DOCS / "operating.md").read_text()


@pytest.mark.parametrize("name", Settings.__struct_fields__)
def test_every_setting_is_documented(name: str) -> None:
    assert re.search(rf"^\| .*`{name}`.* \|", OPERATING, re.M), f"docs/operating.md does not tell what {name} means"


def test_no_setting_is_documented_that_is_none() -> None:
    table = OPERATING.split("## Settings")[1].split("## ")[0]
    named = {name for row in re.findall(r"^\| (`[^|]+`) \|", table, re.M) for name in re.findall(r"`(\w+)`", row)}
    assert named == set(Settings.__struct_fields__)


def test_the_verbs_are_documented_and_no_others() -> None:
    documented = set(re.findall(r"^\| `kilonova (\w+)", OPERATING, re.M))
    assert isinstance(main, click.Group)
    assert documented == set(main.commands)


def _messages() -> set[str]:
    """Every class that travels: what handlers and questions name, and what lies in a batch."""
    reports: tuple[type, ...] = (BuildProgress, ServerGone, ServerNotBuilt, ServerRuns, TaskDone, TaskFailed)
    travels: tuple[type, ...] = (*reports, Confirmed, ReportBatch, *Asked.__subclasses__())
    named = {one.__name__ for one in travels}
    for file in [*(ROOT / "kilonova/nodes").glob("*.py"), *(ROOT / "kilonova/app").glob("*.py")]:
        for table in re.findall(r"\{([A-Z]\w+: [^}]*)\}", file.read_text()):
            named |= set(re.findall(r"\b([A-Z]\w+): ", table))
        named |= set(re.findall(r"bus\.ask\([^)]*?, ([A-Z]\w+)\)", file.read_text(), re.S))
    return named - {"EVENT"}


def test_every_message_is_documented() -> None:
    text = (DOCS / "messages.md").read_text()
    missing = {name for name in _messages() if f"`{name}`" not in text}
    assert not missing, f"docs/messages.md does not tell of {sorted(missing)}"
    assert len(_messages()) > 8, "the search for messages finds too little to be trusted"


def test_every_step_of_what_comes_after_a_build_is_a_fault_point_one_can_read_of() -> None:
    faults = OPERATING.split("## Faults on demand")[1]
    actions = {step.name for action in SERVER_ACTIONS.values() for step in action.saga.steps}
    works = {step.name for saga in WORKS.values() for step in saga.steps}
    assert len(actions) > 30 and len(works) > 5
    assert [name for name in sorted(actions | works) if f"`{name}`" not in faults] == []


def test_every_step_is_in_the_life_of_a_build() -> None:
    text = (DOCS / "life-of-a-build.md").read_text()
    steps = [step.__name__ for chain in (ADMIT, PLACE) for step in chain.steps]
    steps += [step.name for step in CARRY_OUT.steps]
    steps += [step.undo.__name__ for step in CARRY_OUT.steps if step.undo]
    missing = [step for step in steps if step not in text]
    assert not missing
    architecture = (DOCS / "operating.md").read_text() + text
    assert all(step.name in architecture for step in REMOVE.steps)


def test_the_microversions_are_listed_as_they_are() -> None:
    page = DOCS / "microversions.md"
    lines = [f"| 2.{minor} | {words} |" for minor, words in sorted(VERSIONS.items())]
    title = "# Compute microversions\n\nServed from 2.1 to the last one here; written from the program's own table.\n\n"
    head = title + "| version | what changed |\n|---|---|\n"
    text = head + "\n".join(lines) + "\n"
    if os.environ.get("KILONOVA_WRITE_DOCS"):
        page.write_text(text)
    assert page.read_text() == text
    assert list(sorted(VERSIONS)) == list(range(1, max(VERSIONS) + 1)), "there is a gap"


@pytest.mark.parametrize("page", sorted(p.relative_to(ROOT).as_posix() for p in [*DOCS.rglob("*.md"), ROOT / "README.md"]))
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert ((ROOT / page).parent / target).exists(), f"{page} links to {target}"
