"""Building the image: it is small and sound, the cache is used, and what is missing is said in one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kilonova import guestimage
from kilonova.errors import Unavailable
from kilonova.guestimage import commands, elf
from tests.guestimage.machine import call


def test_image_is_small_and_sound(image: Path) -> None:
    assert image.stat().st_size <= 25_000_000
    assert "No errors were found" in call("qemu-img", "check", str(image))


def test_second_build_copies_from_the_cache(image: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "run", _must_not_run)
    monkeypatch.setattr(guestimage.packages, "run", _must_not_run)
    said: list[str] = []
    target = guestimage.build(tmp_path / "new" / "copy.qcow2", cache, said.append)
    assert target.read_bytes() == image.read_bytes()
    assert said == ["the image is there and up to date"]
    assert guestimage.cached(cache) == cache.resolve() / "kilonova-guest.qcow2"


def test_nothing_cached_in_an_empty_folder(tmp_path: Path) -> None:
    assert guestimage.cached(tmp_path) is None


def test_missing_program_is_said_in_one_line() -> None:
    with pytest.raises(Unavailable, match="no-such-program is not installed"):
        commands.run(["no-such-program"], within=5)


def test_missing_lists_are_said_in_one_line(tmp_path: Path) -> None:
    """An apt that knows nothing: the command ends with 1, a single line of reason, and leaves no half image."""
    settings = tmp_path / "apt.conf"
    settings.write_text(f'Dir::State "{tmp_path}/state"; Dir::Cache "{tmp_path}/cache"; Dir::Etc "{tmp_path}/etc";\n')
    for folder in ("state/lists/partial", "cache/archives/partial", "etc"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "status").touch()
    settings.write_text(settings.read_text() + f'Dir::State::status "{tmp_path}/status";\n')
    environment = {**os.environ, "APT_CONFIG": str(settings), "KILONOVA_CACHE": str(tmp_path / "kept")}
    words = [sys.executable, "-m", "kilonova.guestimage", str(tmp_path / "image.qcow2")]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "apt-get update" in done.stderr
    assert not (tmp_path / "image.qcow2").exists()
    assert guestimage.cached(tmp_path / "kept" / "guestimage") is None


def test_programs_tell_their_libraries() -> None:
    names = elf.needed_libraries(Path("/bin/true").resolve())
    assert "libc.so.6" in names
    assert names[-1].startswith("ld-")


def _must_not_run(*_: object, **__: object) -> str:
    raise AssertionError("a program was run")
