"""A file that checks itself, on a disk that runs full under it."""

import hashlib
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from kilonova.drivers.disks.fetch import CheckedFile
from kilonova.errors import BuildFailed
from tests.drivers.builds import image_of

LARGEST = 8192


@pytest.fixture
def little_room() -> Iterator[None]:
    """No file of this process can grow beyond that: what still fits is written, and that is no error yet."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("little_room")
def test_half_a_piece_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    content = b"x" * (LARGEST + 4096)
    file = tmp_path / "image"
    with pytest.raises(BuildFailed, match="could not keep the image"), CheckedFile(file, image_of(content)) as checked:
        checked.write(content)
    assert not file.exists()


def test_what_fits_is_there(tmp_path: Path) -> None:
    content = b"x" * LARGEST
    with CheckedFile(tmp_path / "image", image_of(content)) as checked:
        checked.write(memoryview(content))
    assert hashlib.sha256((tmp_path / "image").read_bytes()).hexdigest() == image_of(content).sha256
