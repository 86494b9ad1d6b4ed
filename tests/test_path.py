"""The path budget: one build is traced in the simulator, and a reader's walk along it must stay short.

`walk.py` says what counts. The table in docs/life-of-a-build.md is written by this test: run it with KILONOVA_WRITE_DOCS=1.
"""

import asyncio
import os
import re
from pathlib import Path

import pytest

from kilonova.sim import SkippingLoop
from kilonova.sim.folder import furnish
from tests.walk import ORDER, SOURCE, Walked, functions_of, walk_one_build

DOC = SOURCE.parent / "docs" / "life-of-a-build.md"
BEGIN, END = "<!-- the path: written by tests/test_path.py -->\n", "<!-- the end of the path -->\n"
IN_PLACE = 600
LINK = re.compile(r"\[`([\w.]+)`\]\(\.\./(kilonova/[\w/]+\.py)\)")


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> list[Walked]:
    async def walk() -> list[Walked]:
        template = tmp_path_factory.mktemp("path") / "template"
        await furnish(template)
        return await walk_one_build(template.parent / "cloud", template)

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        return runner.run(walk())


@pytest.fixture(scope="module")
def hops(walked: list[Walked]) -> list[Walked]:
    return [one for one in walked if one.hop]


def test_the_walk_has_the_nine_steps_in_it(hops: list[Walked]) -> None:
    """So that a walk that saw nothing cannot pass for a short one."""
    names = {one.name for one in hops}
    steps = {"check_request", "check_rights", "reserve_quota", "choose_host", "claim_host", "give_addresses", "record_server"}
    steps |= {"queue_order", "take_order", "assemble_disks", "ask_for_network", "start_guest", "report_running"}
    steps |= {"create", "wish", "choose", "wire_ports", "note_progress", "announce_running", "ComputeNode.take_build"}
    assert steps <= names


def test_the_path_is_short(hops: list[Walked]) -> None:
    assert len(hops) <= 40, [one.name for one in hops]
    assert len({one.file for one in hops}) <= 20


def test_everything_that_ran_in_the_story_is_short(walked: list[Walked]) -> None:
    """Hops and what is read in place, together."""
    assert sum(one.lines for one in walked) <= 1000
    assert sum(one.lines for one in walked if not one.hop) < IN_PLACE
    assert [one.name for one in walked if one.lines > 40] == []


def test_hardly_anything_only_passes_on(hops: list[Walked]) -> None:
    assert len([one.name for one in hops if one.passes_on]) <= 3


def test_every_file_of_the_path_has_its_place(hops: list[Walked]) -> None:
    assert {one.file for one in hops} == set(ORDER)


def test_the_document_shows_the_path_as_it_is(walked: list[Walked]) -> None:
    text = DOC.read_text()
    head, _, rest = text.partition(BEGIN)
    shown, _, tail = rest.partition(END)
    if os.environ.get("KILONOVA_WRITE_DOCS"):
        DOC.write_text(head + BEGIN + table(walked) + END + tail)
        return
    assert shown == table(walked), "run this test with KILONOVA_WRITE_DOCS=1"


def test_every_function_the_document_names_is_where_it_says() -> None:
    links = LINK.findall(DOC.read_text())
    assert len(links) > 40
    for name, file in links:
        known = {function for function, _ in functions_of(SOURCE.parent / file)} | _constants(SOURCE.parent / file)
        assert name in known, f"{file} has no {name}"


def test_the_document_has_nine_headings() -> None:
    assert re.findall(r"^### (\d) ", DOC.read_text(), re.M) == [str(number) for number in range(1, 10)]


def table(walked: list[Walked]) -> str:
    """Markdown, the same in every run."""
    hops = [one for one in walked if one.hop]
    rows = ["| | where | function |", "|---|---|---|"]
    rows += [f"| {n} | {one.place} | [`{one.name}`](../kilonova/{one.file}) |" for n, one in enumerate(hops, start=1)]
    files, lines = len({one.file for one in hops}), _about(sum(one.lines for one in hops))
    only_pass_on = sum(one.passes_on for one in hops)
    rows += [
        "",
        f"**{len(hops)} functions in {files} files, about {lines} lines**; {only_pass_on} of them only pass on.",
        f"The small ones that are read in place have fewer than {IN_PLACE} lines together; which of them run depends on timing.",
    ]
    return "\n".join(rows) + "\n"


def _about(lines: int) -> int:
    """So that this page changes when the path does, and not with every line."""
    return round(lines, -2) or 100


def _constants(file: Path) -> set[str]:
    return set(re.findall(r"^([A-Z_]+)(?:: [^=]+)? = ", file.read_text(), re.M)) | set(
        re.findall(r"^class (\w+)", file.read_text(), re.M)
    )
