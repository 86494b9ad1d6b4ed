"""Refusals that no other test asks for, and what a server with a port shows."""

from typing import Any

import pytest

from kilonova.ledger.transaction import Transaction
from kilonova.model.caller import Caller
from kilonova.model.network_wish import NewNetwork, NewSubnet
from tests.api.compute.conftest import Compute

NOBODY = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"
REFUSED: list[tuple[str, str, Any, str, int]] = [
    ("GET", "/servers/detail?nonsense=1", None, "2.104", 400),
    ("GET", "/flavors/detail?nonsense=1", None, "2.104", 400),
    ("GET", "/extensions?nonsense=1", None, "2.104", 400),
    ("GET", "/os-availability-zone?nonsense=1", None, "2.104", 400),
    ("GET", f"/flavors/{NOBODY}/os-extra_specs", None, "2.104", 404),
    ("PUT", f"/servers/{NOBODY}/metadata", {"metadata": {}}, "2.104", 404),
    ("DELETE", f"/servers/{NOBODY}/tags", None, "2.104", 404),
    ("DELETE", f"/os-quota-sets/{NOBODY}", None, "2.104", 403),
    ("GET", "/os-hypervisors/detail", None, "2.104", 403),
    ("GET", "/os-hypervisors/x/servers", None, "2.1", 403),
]


@pytest.mark.parametrize(("method", "path", "json", "version", "status"), REFUSED)
async def test_refused(compute: Compute, method: str, path: str, json: Any, version: str, status: int) -> None:
    answer = await compute.send(method, path, json, version=version)
    assert answer.status_code == status, answer.text


async def test_a_server_with_a_port(compute: Compute) -> None:
    server = await compute.server()
    admin = Caller(user_id="a", user_name="a", project_id="p", roles=frozenset({"admin", "member", "reader"}))

    def wire(books: Transaction) -> None:
        network = books.networks.networks.create(NewNetwork(name="net", shared=True), admin, 1.0)
        books.networks.subnets.create(NewSubnet(network_id=network.id, cidr="10.9.0.0/24", ip_version=4), admin, 1.0)
        books.networks.make_server_port(
            project_id=compute.project, server_id=server, network_id=network.id, fixed_ip=None, host="h",
            security_groups=("default",), now=1.0,
        )  # fmt: skip

    await compute.change(wire)
    shown = (await compute.send("GET", f"/servers/{server}")).json()["server"]
    assert shown["security_groups"] == [{"name": "default"}] and list(shown["addresses"]) == ["net"]
    groups = (await compute.send("GET", f"/servers/{server}/os-security-groups")).json()["security_groups"]
    assert [group["name"] for group in groups] == ["default"] and groups[0]["tenant_id"] == compute.project
    address = (await compute.send("GET", f"/servers/{server}/ips/net")).json()["net"][0]
    assert address["addr"].startswith("10.9.0.") and (await compute.send("GET", f"/servers/{server}/ips/x")).status_code == 404
    assert len((await compute.send("GET", f"/servers?ip={address['addr']}")).json()["servers"]) == 1
    assert (await compute.send("GET", f"/servers/{server}/os-security-groups?colour=1")).status_code == 400
