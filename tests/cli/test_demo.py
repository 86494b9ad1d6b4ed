"""`kilonova demo`, whole: with what this machine can do, without root's networks, and when something goes wrong in the middle."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kilonova import guestimage

CACHE = Path(os.environ.get("KILONOVA_CACHE") or Path(__file__).parents[2] / ".cache") / "guestimage"
WITHIN_S = 400
LAST = r"demo: ACTIVE in \d+\.\d s, guest answered ssh in \d+\.\d s"

whole = [pytest.mark.cloud, pytest.mark.guest, pytest.mark.qemu, pytest.mark.wire, pytest.mark.timeout(WITHIN_S + 50)]


@pytest.fixture(scope="module")
def image() -> Path:
    """In the cache, so that no test waits for it or measures it."""
    return guestimage.build(CACHE / "kilonova-guest.qcow2", CACHE, print)


class Demo:
    """One demo, its files below `folder`."""

    def __init__(self, folder: Path, **environment: str) -> None:
        known = {**os.environ, "TMPDIR": str(folder), "NO_COLOR": "1", **environment}
        self.folder = folder
        argv = [sys.executable, "-m", "kilonova.cli", "demo", "--cache", str(CACHE)]
        self.output = folder / "demo.output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(argv, env=known, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)

    def said(self) -> str:
        return self.output.read_text()

    def end(self) -> int:
        try:
            return self.process.wait(WITHIN_S)
        finally:
            if self.process.poll() is None:
                self.process.terminate()
                self.process.wait(120)

    def left(self) -> list[str]:
        """Processes that name its folder, and folders that are not logs."""
        found = [path.name for path in self.folder.iterdir() if re.match(r"kilonova-demo-(?!log-)", path.name)]
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and str(self.folder) in (entry / "cmdline").read_text():
                    found.append((entry / "cmdline").read_text().replace("\0", " "))
            except OSError:
                pass
        return found


def with_marks(*values: object) -> object:
    return pytest.param(*values, marks=whole)


@pytest.mark.parametrize("network", [with_marks("auto"), with_marks("user")])
def test_a_guest_is_built_speaks_and_is_gone(network: str, image: Path, tmp_path: Path) -> None:
    demo = Demo(tmp_path, KILONOVA_NETWORK=network, OS_CLOUD="another", OS_AUTH_URL="http://127.0.0.1:1")
    assert demo.end() == 0, demo.said()
    said = demo.said()
    assert re.fullmatch(LAST, said.splitlines()[-1]), said
    for words in ("$ openstack server create", "$ kilonova trace", "$ openstack server delete", "first light: I am first-light,"):
        assert words in said, words
    for step in range(1, 10):
        assert re.search(rf"^ +{step}  .* done$", said, re.M), f"step {step}"
    assert "the guest has the address the API tells: 10.20." in said
    assert demo.left() == []


@pytest.mark.parametrize("point", [with_marks("compute.start_guest.before")])
def test_a_build_that_fails_is_one_clear_line_and_everything_is_cleaned_up(point: str, image: Path, tmp_path: Path) -> None:
    demo = Demo(tmp_path, KILONOVA_FAULTS=f"{point}=raise")
    assert demo.end() == 1, demo.said()
    last = demo.said().splitlines()[-1]
    assert last.startswith("Error: The demo failed: `openstack server create` failed: "), last
    assert "Traceback" not in demo.said()
    assert (Path(last.split()[-1].rstrip(".")) / "compute.log").exists()
    assert demo.left() == []


@pytest.mark.parametrize("number", [with_marks(signal.SIGTERM), with_marks(signal.SIGINT)])
def test_told_to_end_in_the_middle_it_cleans_up(number: signal.Signals, image: Path, tmp_path: Path) -> None:
    demo = Demo(tmp_path)
    deadline = time.monotonic() + WITHIN_S
    while "$ openstack server create" not in demo.said() and demo.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert demo.process.poll() is None, demo.said()
    demo.process.send_signal(number)
    assert demo.end() != 0
    assert "Traceback" not in demo.said(), demo.said()
    assert demo.left() == []


def test_without_qemu_it_says_what_to_install(tmp_path: Path) -> None:
    demo = Demo(tmp_path, PATH=str(Path(sys.executable).parent))
    assert demo.end() == 1
    assert demo.said() == (
        "Error: Not installed: openssh-client, qemu-system-x86, qemu-utils; `make demo` installs what is missing where it may.\n"
    )
    assert demo.left() == []
