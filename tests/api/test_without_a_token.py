"""Nobody gets anywhere without a token: every route of every service that is not for everyone says 401, in its own form."""

import re

import pytest

from kilonova.api.rights import Right
from kilonova.api.service import Service
from tests.api.cloud import CloudApi, present_services

NOBODY = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"
NEWEST = {"compute": "compute 2.1", "placement": "placement 1.39", "volume": "volume 3.71"}


@pytest.mark.parametrize("service", present_services(), ids=lambda service: service.name)
async def test_without_a_token(cloud_api: CloudApi, service: Service) -> None:
    headers = {"openstack-api-version": NEWEST.get(service.name, "")}
    for path, methods in service.routes.items():
        for method, handler in methods.items():
            if service.rights[handler] is Right.ANYONE:
                continue
            where = service.mount + re.sub(r"\{\w+\}", NOBODY, path)
            answer = await cloud_api.send(method, where, None, headers=headers)
            assert answer.status_code in (401, 404), f"{method} {where}: {answer.text}"
            assert answer.status_code == 401 or service.name == "compute", f"{method} {where}: {answer.text}"
