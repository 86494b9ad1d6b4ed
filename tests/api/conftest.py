"""`cloud_api`: the API of a cloud in this process, for the tests of every service. Whatever it answers is looked at."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.api.answers import watch
from tests.api.cloud import CloudApi, running_cloud


@pytest.fixture
async def cloud_api(tmp_path: Path) -> AsyncIterator[CloudApi]:
    """All services there are, with an admin signed in. For a desk, a clock or fewer services: `running_cloud(tmp_path, …)`."""
    async with running_cloud(tmp_path) as cloud:
        yield cloud


@pytest.fixture(scope="session", autouse=True)
def every_answer_is_looked_at() -> Iterator[None]:
    """See `answers.py`."""
    with watch():
        yield
