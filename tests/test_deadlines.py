"""docs/operating.md's table of states: every state there is in the code has its line, and every one that passes its bound.

What a state is called is OpenStack's word; so the code is searched for all of OpenStack's words of each kind.
"""

import ast
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from kilonova.api.image.intake import SILENCE_S
from kilonova.ledger.hosts import SILENT_AFTER_S
from kilonova.lifecycle.volume_ends import FAILED_AS
from kilonova.lifecycle.volume_unended import ENDS_AS, SNAPSHOT_ENDS_AS
from kilonova.model.image_tasks import TaskStatus
from kilonova.model.images import ImageStatus, MemberStatus
from kilonova.model.server import STATUS_OF
from kilonova.model.volume_rules import RESETTABLE, SNAPSHOT_RESETTABLE
from kilonova.nodes.fabric import EVERY_S
from kilonova.nodes.sweeper import SEND_AGAIN_AFTER_S
from kilonova.settings import Settings

ROOT = Path(__file__).parent.parent
SECTION = (ROOT / "docs/operating.md").read_text().split("## States and deadlines")[1].split("\n## ")[0]
BOUNDS = {name for name in Settings.__struct_fields__ if name.endswith("limit_s")}

WORDS: Mapping[str, tuple[str, Sequence[str]]] = {
    "task": (
        "scheduling block_device_mapping networking spawning image_snapshot image_snapshot_pending image_pending_upload"
        " image_uploading image_backup updating_password resize_prep resize_migrating resize_migrated resize_finish"
        " resize_reverting resize_confirming rebooting reboot_pending reboot_started rebooting_hard reboot_pending_hard"
        " reboot_started_hard pausing unpausing suspending resuming powering-off powering-on rescuing unrescuing rebuilding"
        " rebuild_block_device_mapping rebuild_spawning migrating deleting soft-deleting shelving"
        " shelving_image_pending_upload shelving_image_uploading shelving_offloading unshelving",
        ("build/*.py", "lifecycle/[!v]*.py", "ledger/*.py"),
    ),
    "migration": (
        "accepted queued preparing running post-migrating pre-migrating migrating finished confirming confirmed reverting"
        " reverted error failed completed cancelled",
        ("lifecycle/resize.py", "ledger/server_migrations.py"),
    ),
    "volume": (
        "creating available reserved attaching detaching in-use maintenance deleting awaiting-transfer error error_deleting"
        " backing-up restoring-backup error_backing-up error_restoring error_extending downloading uploading retyping"
        " extending reverting managing error_managing",
        ("lifecycle/volume*.py", "ledger/volume/*.py", "api/volume/*.py"),
    ),
    "snapshot": (
        "creating available backing-up deleting error unmanaging restoring error_deleting",
        ("lifecycle/volume*.py", "ledger/volume/snapshots.py", "api/volume/snapshots.py"),
    ),
    "attachment": (
        "reserved attaching attached detaching error_attaching error_detaching",
        ("ledger/volume/*.py", "api/volume/*.py", "lifecycle/attach.py", "lifecycle/volume_unended.py"),
    ),
    "port, router, floating IP": (
        "ACTIVE BUILD DOWN ERROR PENDING_CREATE ALLOCATING",
        ("ledger/*.py", "ledger/routing/*.py", "build/*.py", "lifecycle/*.py", "api/network/*.py"),
    ),
}
"""Kind → OpenStack's words for it, and where the code that writes it down stands."""

DECLARED: Mapping[str, set[str]] = {
    "server": set(STATUS_OF),
    "volume": {*RESETTABLE, *FAILED_AS.values(), *ENDS_AS, *filter(None, ENDS_AS.values())},
    "snapshot": {*SNAPSHOT_RESETTABLE, *SNAPSHOT_ENDS_AS, *SNAPSHOT_ENDS_AS.values()},
    "image": {status.value for status in ImageStatus},
    "image task": {status.value for status in TaskStatus},
    "image member": {status.value for status in MemberStatus},
}
"""Kind → what a table of the code itself says."""

AT_REST: Mapping[str, set[str]] = {
    "server": set(STATUS_OF) - {"building", "resized"},
    "migration": {"confirmed", "reverted", "error"},
    "volume": {"available", "in-use", "error", "error_deleting", "error_extending", "error_restoring", "error_managing"},
    "snapshot": {"available", "error", "error_deleting"},
    "attachment": {"attached"},
    "image": {"active", "deactivated"},
    "image task": {"success", "failure"},
    "image member": {"accepted", "rejected"},
    "port, router, floating IP": {"ACTIVE", "DOWN", "ERROR"},
}
SOMEBODYS: Mapping[str, set[str]] = {
    "server": {"resized"},
    "migration": {"finished"},
    "volume": {"awaiting-transfer", "maintenance"},
    "image": {"queued", "uploading"},
    "image member": {"pending"},
}
"""What waits for a person, and says so."""


def _rows() -> list[tuple[str, set[str], str]]:
    """(kind, states, what bounds them) of each line."""
    lines = re.findall(r"^\| ([^|]+) \| ([^|]+) \| [^|]*\| ([^|]+) \|$", SECTION, re.M)
    return [(kind, set(re.findall(r"`([\w-]+)`", states)), bound) for kind, states, bound in lines if "`" in states]


def _in_code(kind: str) -> set[str]:
    vocabulary, places = WORDS.get(kind, ("", ()))
    words = set(vocabulary.split())
    files = {file for place in places for file in (ROOT / "kilonova").glob(place)}
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    said = {str(node.value) for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return (said & words) | DECLARED.get(kind, set())


def _of(kind: str, wanted: str) -> set[str]:
    return {state for of, states, bound in _rows() if of == kind and wanted in bound for state in states}


@pytest.mark.parametrize("kind", sorted({*WORDS, *DECLARED}))
def test_every_state_has_its_line_and_no_other_has(kind: str) -> None:
    told = {state for of, states, _ in _rows() if of == kind for state in states}
    assert len(told) >= 3
    assert told == _in_code(kind)


@pytest.mark.parametrize("kind", sorted({*WORDS, *DECLARED}))
def test_only_what_rests_has_no_deadline(kind: str) -> None:
    assert _of(kind, "at rest") == AT_REST.get(kind, set())
    assert _of(kind, "'s") == SOMEBODYS.get(kind, set())


def test_every_bound_is_a_setting() -> None:
    assert len(_rows()) > 25
    for kind, states, bound in _rows():
        settings = set(re.findall(r"`(\w+)`", bound))
        assert settings <= {*BOUNDS, "resize_confirm_window"}, (kind, states)
        assert settings or bound in ("at rest", "its owner's", "an admin's"), (kind, states, bound)


def test_the_bounds_that_nobody_sets_are_what_the_table_says() -> None:
    for words, seconds in (
        ("has not answered | it is sent again", SEND_AGAIN_AFTER_S),
        ("says nothing", SILENT_AFTER_S),
        ("a change of a router", EVERY_S),
    ):
        lines = [line for line in SECTION.splitlines() if words in line]
        assert lines
        assert lines[0].endswith(f"| {seconds:.0f} s |")
    assert f"{SILENCE_S:.0f} s without a byte" in SECTION
