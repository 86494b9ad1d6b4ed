"""The process that keeps a role loaded: what is killed goes on, what ends by itself is over, and nobody is left behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cloud.running import wait_for

pytestmark = pytest.mark.wire

SERVES = """
import signal, sys, time
from pathlib import Path
from kilonova.cli.keeper import Keeper

def serve():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while not Path(sys.argv[2]).exists():
        time.sleep(0.01)
    raise SystemExit(3)

raise SystemExit(Keeper("one", serve, Path(sys.argv[1])).keep())
"""


@pytest.fixture
def kept(tmp_path: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", SERVES, str(tmp_path / "pid"), str(tmp_path / "enough")])


def test_one_that_is_killed_goes_on_and_all_end_when_told(kept: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    first = _serving(tmp_path)
    os.kill(first, signal.SIGKILL)
    second = _serving(tmp_path, besides=first)
    kept.terminate()
    assert kept.wait(20) in (0, 128 + signal.SIGTERM)  # the second may not have come as far as its handler
    assert not Path(f"/proc/{second}").exists()


def test_what_ends_by_itself_is_not_begun_again(kept: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    _serving(tmp_path)
    (tmp_path / "enough").touch()
    assert kept.wait(20) == 3
    assert not (tmp_path / "pid").exists()


def test_the_one_that_serves_goes_with_a_keeper_that_is_killed(kept: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    serving = _serving(tmp_path)
    kept.kill()
    kept.wait(20)
    wait_for(lambda: not Path(f"/proc/{serving}").exists(), 20, "the end of the one that served")


def _serving(tmp_path: Path, besides: int = 0) -> int:
    """Its pid, once it is not `besides`."""
    file = tmp_path / "pid"
    wait_for(lambda: file.exists() and file.read_text().strip() not in ("", str(besides)), 30, "a process that serves")
    return int(file.read_text())
