"""What a request is answered that is under way when control ends: a 503 in the service's form, never a 500 without a word."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from kilonova.api.compute.service import SERVICE
from kilonova.api.edge import turn_errors_into_answers


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_request_that_is_cut_off_is_told_to_come_again(method: str) -> None:
    call: Any = SimpleNamespace(method=method, request_id="req-1", headers={}, world=SimpleNamespace(public_url=""))

    async def never(_: Any) -> Any:
        await asyncio.sleep(3600)

    handler: Any = None
    under_way = asyncio.create_task(turn_errors_into_answers(call, SERVICE, handler, never))
    await asyncio.sleep(0)
    under_way.cancel()
    answer = await under_way
    told = json.loads(msgspec.json.encode(answer.body))["serviceUnavailable"]
    assert answer.status == 503
    assert told["code"] == 503
    assert ("not known" in told["message"]) is (method == "POST")
