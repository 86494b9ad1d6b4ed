"""What the ledger says of security groups and routers gets to the network node, whatever is lost on the way."""

from typing import Any

import pytest

from kilonova.api.compute.service import SERVICE as COMPUTE
from kilonova.api.network.service import SERVICE as NETWORK
from kilonova.lifecycle.audit import LedgerView, NodeInventory, audit
from kilonova.model.fabric import Known
from kilonova.model.ids import NodeName
from kilonova.sim import SimulatedCloud
from tests.story.conftest import CloudOf


async def _known(cloud: SimulatedCloud, kind: str, identifier: str) -> int:
    """The revision the node has; 0: none."""
    known = await cloud.network.node.network.known()
    return next((one.revision for one in known if (one.kind, one.id) == (kind, identifier)), 0)


async def _all_is_told(cloud: SimulatedCloud) -> None:
    async def confirmed() -> bool:
        return await cloud.ledger.read(lambda tx: tx.fabric.unconfirmed(100)) is None

    await cloud.until(confirmed, "everything to be confirmed")


async def _send(cloud: SimulatedCloud, method: str, path: str, body: Any = None) -> dict[str, Any]:
    answer = await cloud.send(method, f"/network/v2.0/{path}", body)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else {}


async def _a_group(cloud: SimulatedCloud, name: str = "web") -> str:
    return str((await _send(cloud, "POST", "security-groups", {"security_group": {"name": name}}))["security_group"]["id"])


async def test_a_group_its_rules_and_its_end_get_to_the_node(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(services=(COMPUTE, NETWORK))
    group = await _a_group(cloud)
    await _all_is_told(cloud)
    first = await _known(cloud, "group", group)
    assert first > 0
    rule = {"security_group_id": group, "direction": "ingress", "protocol": "tcp", "port_range_min": 80, "port_range_max": 80}
    await _send(cloud, "POST", "security-group-rules", {"security_group_rule": rule})
    await _all_is_told(cloud)
    assert await _known(cloud, "group", group) > first
    await _send(cloud, "DELETE", f"security-groups/{group}")
    await _all_is_told(cloud)
    assert await _known(cloud, "group", group) == 0
    assert await cloud.clean() == []


async def test_a_router_stands_and_says_so(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(services=(COMPUTE, NETWORK))
    router = (await _send(cloud, "POST", "routers", {"router": {"name": "r"}}))["router"]["id"]
    await _all_is_told(cloud)
    assert await _known(cloud, "router", router) > 0
    assert (await _send(cloud, "GET", f"routers/{router}"))["router"]["status"] == "ACTIVE"
    await _send(cloud, "DELETE", f"routers/{router}")
    await _all_is_told(cloud)
    assert await _known(cloud, "router", router) == 0
    assert await cloud.clean() == []


async def test_a_network_that_leads_out_again_gets_to_the_node_again(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(services=(COMPUTE, NETWORK))
    network = (await _send(cloud, "POST", "networks", {"network": {"name": "out", "router:external": True}}))["network"]["id"]
    for out in (True, False, True):
        await _send(cloud, "PUT", f"networks/{network}", {"network": {"router:external": out}})
        await _all_is_told(cloud)
        assert (await _known(cloud, "network", network) > 0) is out
    assert await cloud.clean() == []


@pytest.mark.parametrize("what", ["FabricWanted", "FabricStands"])
async def test_a_lost_message_is_sent_again(cloud_of: CloudOf, what: str) -> None:
    cloud = await cloud_of(services=(COMPUTE, NETWORK))
    cloud.messages.lose(what)
    group = await _a_group(cloud)
    await _all_is_told(cloud)
    assert cloud.messages.fired["lose", what] == 1
    assert await _known(cloud, "group", group) > 0


@pytest.mark.parametrize("role", ["network", "control"])
async def test_a_role_that_dies_learns_all_again(cloud_of: CloudOf, role: str) -> None:
    cloud = await cloud_of(services=(COMPUTE, NETWORK))
    group = await _a_group(cloud)
    await _all_is_told(cloud)
    other = await _a_group(cloud, "db")
    await cloud.crash(role)
    for state in (cloud.network.home.glob("*.fabric")) if role == "network" else ():
        state.unlink()  # the node has even lost what it remembered
    await cloud.restart(role)

    async def both() -> bool:
        return min(await _known(cloud, "group", group), await _known(cloud, "group", other)) > 0

    await cloud.until(both, "both groups on the node")
    await _all_is_told(cloud)
    assert await cloud.clean() == []


def test_the_audit_names_what_does_not_fit() -> None:
    empty: dict[str, Any] = {"servers": (), "claims": (), "hosts": (), "ports": (), "orders": (), "usage": {}, "nodes": ()}
    view = LedgerView(at=0.0, **empty, plans={"router/1": 3, "group/2": 1, "network/3": 1}, unconfirmed=frozenset({"group/4"}))
    known = (
        Known(kind="router", id="1", revision=2),
        Known(kind="group", id="4", revision=9),
        Known(kind="group", id="5", revision=1),
        Known(kind="network", id="3", revision=1),
        Known(kind="server", id="6", revision=1),
    )
    told = NodeInventory(node=NodeName("network"), role="network", known=known)
    found = [(one.kind, one.about) for one in audit(view, [told], view.in_motion())]
    assert found == [("group not on the node", "2"), ("group of nobody", "5"), ("router in another revision", "1")]
