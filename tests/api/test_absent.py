"""What docs/compatibility.toml says is not there answers as it says, for an admin and with an honest body."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.api.cloud import CloudApi

TOLD: dict[str, Any] = tomllib.loads((Path(__file__).parents[2] / "docs" / "compatibility.toml").read_text())
AN_ID = "11111111-2222-4333-8444-555555555555"


@pytest.mark.parametrize("service", [name for name, told in TOLD.items() if "absent" in told])
async def test_it_answers_as_the_page_says(cloud_api: CloudApi, service: str) -> None:
    wrong = {}
    for operation, words in TOLD[service]["absent"].items():
        method, path = operation.split(" ")
        place = f"/{service}" + re.sub(r"\{\w+\}", AN_ID, path)
        sent: dict[str, Any] = {"json": {}} if method in ("POST", "PUT", "PATCH") else {}
        answer = await cloud_api.send(method, place, **sent)
        if str(answer.status_code) != re.split("[ ,;]", words)[0] or not answer.text:
            wrong[operation] = (answer.status_code, words)
    assert wrong == {}
