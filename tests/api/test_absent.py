"""What docs/compatibility.toml says is not there answers as it says, for an admin and with an honest body."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.api.cloud import CloudApi

TOLD: dict[str, Any] = tomllib.loads((Path(__file__).parents[2] / "docs" / "compatibility.toml").read_text())
ABSENT = [(name, operation, words) for name, told in TOLD.items() for operation, words in told.get("absent", {}).items()]
AN_ID = "11111111-2222-4333-8444-555555555555"


@pytest.mark.parametrize(("service", "operation", "words"), ABSENT)
async def test_it_answers_as_the_page_says(cloud_api: CloudApi, service: str, operation: str, words: str) -> None:
    method, path = operation.split(" ")
    place = f"/{service}" + re.sub(r"\{\w+\}", AN_ID, path)
    answer = await cloud_api.send(method, place, **({"json": {}} if method in ("POST", "PUT", "PATCH") else {}))
    assert str(answer.status_code) == words.split(" ")[0].rstrip(","), answer.text
