"""Each defect by itself in a copy of the tree: which tests turn red? ``python -m tests.mutants.run [WORD…]``, or `make mutants`.

The nearest tests first, then the rest of `make check`'s, then the simulation; the first red ends it. A suite that does not end
in its time is red too. What was found is kept in the cache, so that a run can go on where it was ended (``--anew`` forgets it).
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from tests.mutants.defects import ROOT, Defect, defects

CACHE = Path(os.environ.get("KILONOVA_CACHE", ROOT / ".cache")) / "mutants"
SCRATCH = Path(os.environ.get("KILONOVA_SCRATCH") or CACHE)
"""Where the copies of the tree, and the tests' own files, are."""
TAKEN = ("kilonova", "tests", "docs", "scripts", "bench", "pyproject.toml", "README.md", "CHANGELOG.md", "Makefile")
PYTEST = ("-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider")
QUICK = "not (root or qemu or guest or wire or cloud or long)"
NEAREST_S, REST_S, SEEDS_S = 600.0, 2400.0, 1200.0
SEEDS = "1..200"
ENOUGH = 0.95


class Found(Struct, kw_only=True):
    """`killer`: the test that turned red, or what else showed it; empty when nothing did. `said` is the end of its output."""

    name: str
    text: str
    """The defect as it was then: a changed one is tried anew."""
    suite: str = ""
    killer: str = ""
    seconds: float = 0.0
    said: str = ""


def main(words: list[str]) -> int:
    """0 when enough of them turn something red."""
    folder = CACHE / "results"
    if "--anew" in words:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [word for word in words if not word.startswith("--")]
    chosen = [one for one in defects() if not wanted or any(word in one.name for word in wanted)]
    results = []
    _copy(ROOT, SCRATCH / "as it is")  # once: whoever edits meanwhile kills no defect
    for number, defect in enumerate(chosen, 1):
        result = _known(defect, folder) or _try(defect, folder, nearest_only="--nearest" in words)
        results.append(result)
        verdict = f"killed by {result.killer}" if result.killer else "SURVIVED"
        print(f"{number:3}/{len(chosen)} {defect.name}: {verdict} ({result.seconds:.0f} s)", flush=True)
    killed = sum(bool(result.killer) for result in results)
    print(f"{killed} of {len(results)} defects turn a test red")
    if not wanted and "--nearest" not in words:
        from tests.mutants.table import write

        write(chosen, results, ROOT / "docs/reliability.md")
    return 0 if killed >= ENOUGH * len(results) else 1


def _known(defect: Defect, folder: Path) -> Found | None:
    """What an earlier run found of this very defect."""
    with suppress(OSError, msgspec.MsgspecError):
        found = msgspec.json.decode(_file(defect, folder).read_bytes(), type=Found)
        if found.text == _text(defect) and found.killer:
            return found
    return None


def _try(defect: Defect, folder: Path, *, nearest_only: bool) -> Found:
    began = time.monotonic()
    copy = SCRATCH / "tree"
    _copy(SCRATCH / "as it is", copy)
    file = copy / defect.file
    file.write_text(defect.applied(file.read_text()))
    found = Found(name=defect.name, text=_text(defect))
    try:
        for suite, command, limit_s in _suites(defect)[: 1 if nearest_only else None]:
            red, said = _run(command, copy, limit_s)
            if red:
                found.suite, found.killer, found.said = suite, red, said
                break
    finally:
        shutil.rmtree(copy, ignore_errors=True)
    found.seconds = time.monotonic() - began
    _file(defect, folder).write_bytes(msgspec.json.encode(found))
    return found


def _copy(source: Path, to: Path) -> None:
    """What of the tree the tests need."""
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    for name in TAKEN:
        if (source / name).is_dir():
            shutil.copytree(source / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source / name, to / name)


def _suites(defect: Defect) -> list[tuple[str, list[list[str]], float]]:
    """(name, commands, seconds each may take)."""
    nearest = [[*PYTEST, *one.split()] for one in defect.first]
    rest = [*PYTEST, "-m", QUICK, "--ignore", "tests/api", "--ignore", "tests/mutants", "tests"]
    seeds = ["-m", "kilonova.cli", "sim", "--seeds", SEEDS, "--no-shrink", "--events", "0"]
    return [("nearest", nearest, NEAREST_S), ("make check", [rest], REST_S), ("simulation", [seeds], SEEDS_S)]


def _run(commands: list[list[str]], copy: Path, limit_s: float) -> tuple[str, str]:
    """(what turned red, the end of what it said); empty when all is green."""
    for command in commands:
        temporary = [f"--basetemp={copy / 't'}"] if command[:2] == list(PYTEST[:2]) else []
        process = subprocess.Popen(
            [sys.executable, *command, *temporary],
            cwd=copy,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "KILONOVA_CACHE": str(CACHE.parent)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
            return f"the time limit of {' '.join(command[-2:])}", said[-2000:]
        if process.returncode:
            return _red(command, said), said[-2000:]
    return "", ""


def _red(command: list[str], said: str) -> str:
    """The test's name, as far as it says one. A suite that could not even begin is no proof of anything."""
    for line in said.splitlines():
        if line.startswith(("FAILED tests/", "ERROR tests/")):
            return line.split(" ", 1)[1].split(" - ")[0].replace("tests/", "", 1)
    if "pytest" in command:
        raise RuntimeError(f"{' '.join(command)} could not be run:\n{said[-2000:]}")
    return "a seed of the simulation"


def _text(defect: Defect) -> str:
    return json.dumps([defect.file, defect.old, defect.new, defect.first])


def _file(defect: Defect, folder: Path) -> Path:
    return folder / ("".join(letter if letter.isalnum() else "-" for letter in defect.name) + ".json")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
