"""Disks in a folder of their own, and a fetch that can fail."""

from pathlib import Path

import pytest

from kilonova.drivers.disks.local import QcowDisks
from tests.drivers.builds import FileFetch


@pytest.fixture
def fetch() -> FileFetch:
    return FileFetch()


@pytest.fixture
def disks(tmp_path: Path, fetch: FileFetch) -> QcowDisks:
    return QcowDisks(tmp_path / "data", fetch)
