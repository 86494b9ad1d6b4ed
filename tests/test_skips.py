"""CI accepts no skip that is not on the list."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import skips


def test_a_skip_on_the_list_is_accepted() -> None:
    accepted = skips.allowed("tests/a.py::* | no KVM* | CI has no KVM")
    assert skips.refused({"tests/a.py::test_x": "no KVM here"}, accepted) == {}


def test_a_skip_for_another_reason_or_of_another_test_is_not() -> None:
    accepted = skips.allowed("# comment\n\ntests/a.py::* | no KVM* | CI has no KVM")
    skipped = {"tests/a.py::test_x": "QEMU is not installed", "tests/b.py::test_x": "no KVM here"}
    assert skips.refused(skipped, accepted) == skipped


def test_a_line_without_a_why_is_no_line() -> None:
    with pytest.raises(AssertionError, match="no reason why"):
        skips.allowed("tests/a.py::* | no KVM* | ")


def test_the_list_can_be_read() -> None:
    assert all(reason for _, reason in skips.allowed())


@pytest.mark.long
@pytest.mark.parametrize(("ci", "parallel", "code"), [("true", False, 1), ("true", True, 1), ("", False, 0)])
def test_a_run_with_an_unknown_skip_fails_in_ci_only(tmp_path: Path, ci: str, parallel: bool, code: int) -> None:
    tests = tmp_path / "test_some.py"
    tests.write_text("import pytest\n\ndef test_good(): pass\n\ndef test_skipped(): pytest.skip('just so')\n")
    argv = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "--noconftest", str(tests)]
    done = subprocess.run(
        [*argv, *(("-n", "1", "--dist", "loadgroup") if parallel else ())],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "CI": ci},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "1 passed, 1 skipped" in done.stdout
    assert ("does not accept this skip" in done.stdout) == bool(code)
    assert ("test_skipped: just so" in done.stdout) == bool(code)
