"""mypy refuses a step that is placed before what it needs: shown on sagas that are wrong, and on one that is right."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

SNIPPET = """
from kilonova.build.connect import ask_for_network, release_network
from kilonova.build.needs import ComputeWorld, NetworkWorld
from kilonova.build.prepare import assemble_disks, remove_disks, take_order
from kilonova.build.record import Placed
from kilonova.build.start import destroy_guest, report_running, start_guest
from kilonova.saga import Saga

begun = Saga.starting_with(Placed, ComputeWorld, name="build", at="compute")
begun.then(take_order).then(assemble_disks, undo=remove_disks).then(ask_for_network, undo=release_network).then(start_guest)
begun.then(ask_for_network)  # refused: no disks yet
begun.then(assemble_disks).then(start_guest)  # refused: no wires yet
begun.then(assemble_disks).then(report_running)  # refused: no guest yet
begun.then(take_order, undo=destroy_guest)  # refused: an undo that needs more than is known before its step
Saga.starting_with(Placed, NetworkWorld, name="build", at="network").then(assemble_disks)  # refused: another node's world
"""


def test_a_step_before_what_it_needs_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "wrong_order.py"
    file.write_text(SNIPPET)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--config-file", "pyproject.toml", str(file)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False).stdout
    refused = {number for number, line in enumerate(SNIPPET.splitlines(), start=1) if "# refused" in line}
    assert {int(number) for number in re.findall(r"wrong_order\.py:(\d+): error", said)} == refused, said
    assert len(refused) == 5
