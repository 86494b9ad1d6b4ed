"""`make …` and what stands behind it: setup installs only what is missing, CI runs what everybody runs, the lock is whole."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SYSTEM = "/usr/bin:/bin:/usr/sbin:/sbin"
Done = subprocess.CompletedProcess[str]

FAKE_PYTHON = """#!/bin/bash
case "$*" in
  "-m pip config list") echo "global.index-url='https://mirror.invalid/simple'" ;;
  *pip*install*) echo "pip $*" >>"$LOG" ;;
  *sysconfig*) echo "$FAKES" ;;
  *ensurepip*) exit "${NO_ENSUREPIP:-0}" ;;
  *version_info*2*) echo 3.11 ;;
esac
"""
FAKE_DPKG = '#!/bin/bash\nfor word in "$@"; do [[ " $MISSING " == *" $word "* ]] || echo "installed $word"; done\n'
FAKE_APT = '#!/bin/bash\necho "apt-get $DEBIAN_FRONTEND $*" >>"$LOG"\nexit "${APT_FAILS:-0}"\n'
FAKE_UV = '#!/bin/bash\necho "uv $UV_DEFAULT_INDEX $*" >>"$LOG"\nexit "${UV_FAILS:-0}"\n'


class Checkout:
    """A copy of what setup needs, on a machine that is made up: `log` tells what was called."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.fakes, self.log_file = folder / "check out", folder / "fakes", folder / "log"
        (self.folder / "scripts").mkdir(parents=True)
        self.fakes.mkdir()
        for name in ("scripts/setup", "requirements.lock", "requirements-bootstrap.txt"):
            (self.folder / name).write_bytes((ROOT / name).read_bytes())
        self.fake("dpkg-query", FAKE_DPKG)
        self.fake("apt-get", FAKE_APT)
        self.fake("python3.11", FAKE_PYTHON)
        self.fake("sudo", "#!/bin/sh\nexit 1\n")
        self.fake("id", '#!/bin/sh\necho "${FAKE_UID:-0}"\n')

    def fake(self, name: str, text: str, folder: Path | None = None) -> None:
        program = (folder or self.fakes) / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)

    def has_environment(self) -> None:
        """A `.venv` as setup leaves it before the packages are in it."""
        programs = self.folder / ".venv/bin"
        self.fake("python", FAKE_PYTHON, programs)
        self.fake("uv", FAKE_UV, programs)
        (self.folder / ".venv/.place").write_text(f"{self.folder} {self.fakes / 'python3.11'}\n")

    def setup(self, *words: str, **environment: str) -> Done:
        known = {"PATH": f"{self.fakes}:{SYSTEM}", "LOG": str(self.log_file), "FAKES": str(self.fakes), "HOME": str(self.fakes)}
        return run(["bash", str(self.folder / "scripts/setup"), *words], {**known, **environment})

    @property
    def log(self) -> list[str]:
        return self.log_file.read_text().splitlines() if self.log_file.exists() else []


def run(argv: list[str], environment: Mapping[str, str], within_s: float = 60) -> Done:
    return subprocess.run(
        argv, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=within_s, check=False
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_only_what_is_missing_is_installed(checkout: Checkout) -> None:
    checkout.has_environment()
    assert checkout.setup(MISSING="zstd cpio").returncode == 0
    update, install = (line for line in checkout.log if line.startswith("apt-get"))
    assert update.startswith("apt-get noninteractive") and update.endswith("update")
    assert install.startswith("apt-get noninteractive") and install.endswith("--no-install-recommends install cpio zstd")


def test_what_only_tests_need_is_installed_for_tests_only(checkout: Checkout) -> None:
    checkout.has_environment()
    assert checkout.setup(MISSING="busybox").returncode == 0
    assert not any("install busybox" in line for line in checkout.log)
    assert checkout.setup("--tests", MISSING="busybox").returncode == 0
    assert any("install busybox" in line for line in checkout.log)


def test_without_root_and_sudo_it_says_what_is_missing_and_goes_on(checkout: Checkout) -> None:
    checkout.has_environment()
    done = checkout.setup(MISSING="zstd", FAKE_UID="1000")
    assert done.returncode == 0
    assert "not installed: zstd" in done.stderr and "neither root nor sudo" in done.stderr
    assert not any(line.startswith("apt-get") for line in checkout.log)


def test_apt_that_fails_is_one_clear_line_and_an_error(checkout: Checkout) -> None:
    checkout.has_environment()
    done = checkout.setup(MISSING="zstd", APT_FAILS="100")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("setup: apt could not install zstd")


def test_a_python_that_makes_no_environments_gets_the_package_for_it(checkout: Checkout) -> None:
    done = checkout.setup(NO_ENSUREPIP="1")
    assert any(line.endswith("install python3.11-venv") for line in checkout.log), done.stderr


def test_a_python_that_makes_no_environments_and_no_root_is_one_clear_line(checkout: Checkout) -> None:
    done = checkout.setup(NO_ENSUREPIP="1", FAKE_UID="1000")
    assert done.returncode == 1
    assert "an administrator has to install python3.11-venv" in done.stderr.splitlines()[-1]


def test_pip_and_uv_check_hashes_and_uv_is_told_of_pips_index(checkout: Checkout) -> None:
    checkout.has_environment()
    assert checkout.setup().returncode == 0
    pip, uv = checkout.log
    assert "--require-hashes -r requirements-bootstrap.txt" in pip
    assert uv.startswith("uv https://mirror.invalid/simple pip sync") and "--require-hashes requirements.lock" in uv


def test_pips_environment_wins_over_its_files_as_for_pip_itself(checkout: Checkout) -> None:
    checkout.has_environment()
    assert checkout.setup(PIP_INDEX_URL="https://other.invalid/simple").returncode == 0
    assert checkout.log[1].startswith("uv https://other.invalid/simple ")


def test_where_uv_fails_pip_does_it_with_hashes(checkout: Checkout) -> None:
    checkout.has_environment()
    assert checkout.setup(UV_FAILS="2").returncode == 0
    assert "--require-hashes -r requirements.lock" in checkout.log[2]


def test_the_second_time_nothing_is_called_and_a_new_lock_is_noticed(checkout: Checkout) -> None:
    checkout.has_environment()
    assert checkout.setup().returncode == 0
    first = checkout.log
    again = checkout.setup()
    assert (again.returncode, again.stderr, checkout.log) == (0, "", first)
    with (checkout.folder / "requirements.lock").open("a") as lock:
        lock.write("\n")
    assert checkout.setup().returncode == 0
    assert len(checkout.log) > len(first)


def test_a_setup_that_failed_is_done_again(checkout: Checkout) -> None:
    checkout.has_environment()
    checkout.fake("python", FAKE_PYTHON.replace('echo "pip $*" >>"$LOG"', "exit 1"), checkout.folder / ".venv/bin")
    failed = checkout.setup()
    assert failed.returncode == 1 and failed.stderr.splitlines()[-1] == "setup: uv could not be installed"
    checkout.has_environment()
    assert checkout.setup().returncode == 0
    assert len(checkout.log) == 2


def test_the_launcher_starts_kilonova_from_anywhere_even_from_a_path_with_blanks(checkout: Checkout, tmp_path: Path) -> None:
    checkout.has_environment()
    assert checkout.setup().returncode == 0
    checkout.fake("python", f'#!/bin/sh\nexec {sys.executable} "$@"\n', checkout.folder / ".venv/bin")
    launcher = checkout.folder / ".venv/bin/kilonova"
    done = run([str(launcher), "--version"], {"PATH": SYSTEM, "PYTHONPATH": str(ROOT)})
    assert done.stdout.startswith("kilonova, version "), done.stderr


def test_help_names_every_target() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.*)$", text, re.M)
    assert targets
    done = run(["make", "-s", "-C", str(ROOT), "help"], os.environ)
    assert {line.split()[1] for line in done.stdout.splitlines() if line} - set(targets[1].split()) == set()
    assert set(targets[1].split()) == {line.split()[1] for line in done.stdout.splitlines() if line.split()[:1] == ["make"]}


def test_ci_runs_what_everybody_runs() -> None:
    lines = [line for line in (ROOT / ".ci/run").read_text().splitlines() if line and not line.startswith("#")]
    assert lines == ['cd "$(dirname "$0")/.." && exec make test']


def test_every_script_is_sound_shell_and_can_be_run() -> None:
    for script in (*(ROOT / "scripts").iterdir(), ROOT / ".ci/run"):
        assert os.access(script, os.X_OK), script.name
        assert run(["bash", "-n", str(script)], os.environ).stderr == ""


def test_every_dependency_is_locked_with_hashes_and_no_index_is_named() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for wish in (*project["dependencies"], *project["optional-dependencies"]["dev"]):
        name = re.split(r"[\[<>=~]", wish.lower())[0].replace("_", "-").replace(".", "-")
        assert re.search(rf"^{re.escape(name)}(\[[a-z,]*\])?==", lock, re.M), f"{name} is not in requirements.lock: make lock"
    for file in ("requirements.lock", "requirements-bootstrap.txt"):
        text = (ROOT / file).read_text()
        assert "://" not in text and "--index" not in text
        entries = re.split(r"\n(?=[a-z])", re.sub(r"^#.*\n", "", text))
        assert all("--hash=sha256:" in entry for entry in entries)
