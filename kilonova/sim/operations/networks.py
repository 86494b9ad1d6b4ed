"""Ports, security groups, routers and floating IPs; and NICs that are plugged into servers and pulled out of them."""

from typing import Any

from kilonova.sim.operations.scene import Turn
from kilonova.sim.operations.servers import SERVERS

NETWORK = "/network/v2.0"
REFUSED = (400, 403, 404, 409)


async def create_port(turn: Turn) -> None:
    network_id = turn.scene.cloud.furnished.network_id
    await _create(turn, "port", "ports", {"network_id": network_id})


async def create_group(turn: Turn) -> None:
    """With a rule or two."""
    group_id = await _create(turn, "group", "security-groups", {}, "security_group")
    if group_id is not None:
        rule = {"security_group_id": group_id, "direction": "ingress", "protocol": "tcp"}
        for port in turn.rng.sample((22, 80, 443), turn.rng.randint(0, 2)):
            known = {**rule, "port_range_min": port, "port_range_max": port}
            await turn.ask("POST", f"{NETWORK}/security-group-rules", {"security_group_rule": known}, allowed=(201, *REFUSED))


async def use_group(turn: Turn) -> None:
    """A server is let into a group, or out of it."""
    server, group = turn.one("server"), turn.one("group")
    if server is not None and group is not None:
        what = turn.rng.choice(("addSecurityGroup", "removeSecurityGroup"))
        body = {what: {"name": group.id}}
        await turn.ask("POST", f"{SERVERS}/{server.id}/action", body, allowed=(202, *REFUSED))


async def create_router(turn: Turn) -> None:
    """With a way out, and a network of the tenant's own behind it."""
    router_id = await _create(turn, "router", "routers", _outside(turn))
    network_id = await _create(turn, "network", "networks", {})
    if router_id is None or network_id is None:
        return
    cidr = f"10.{turn.rng.randint(100, 200)}.{turn.rng.randint(0, 250)}.0/24"
    subnet = {"network_id": network_id, "ip_version": 4, "cidr": cidr}
    made = await turn.ask("POST", f"{NETWORK}/subnets", {"subnet": subnet}, allowed=(201, *REFUSED))
    if made.status == 201:
        body = {"subnet_id": made.body["subnet"]["id"]}
        await turn.ask("PUT", f"{NETWORK}/routers/{router_id}/add_router_interface", body, allowed=(200, *REFUSED))


async def change_router(turn: Turn) -> None:
    router = turn.one("router")
    if router is not None:
        gateway: Any = turn.rng.choice((_outside(turn)["external_gateway_info"], None))
        body = {"router": {"external_gateway_info": gateway, "admin_state_up": turn.rng.random() < 0.7}}
        await turn.ask("PUT", f"{NETWORK}/routers/{router.id}", body, allowed=(200, *REFUSED))


async def create_floating_ip(turn: Turn) -> None:
    """Led to one of the tenant's ports, or to none."""
    port = turn.one("port")
    more = {"port_id": port.id} if port is not None and turn.rng.random() < 0.5 else {}
    await _create(turn, "floatingip", "floatingips", {"floating_network_id": turn.tenant.outside, **more}, named=False)


async def delete(turn: Turn) -> None:
    """Any of these; what is in use stays."""
    kind, path = turn.rng.choice(
        (("port", "ports"), ("group", "security-groups"), ("router", "routers"), ("floatingip", "floatingips"))
    )
    thing = turn.one(kind)  # type: ignore[arg-type]
    if thing is not None:
        await turn.remove(thing, f"{NETWORK}/{path}/{thing.id}", (204, *REFUSED))


async def plug_in(turn: Turn) -> None:
    """A NIC more: on a network, or a port of the tenant's own."""
    server, port = turn.one("server"), turn.one("port")
    if server is None:
        return
    mine = {"port_id": port.id} if port is not None and turn.rng.random() < 0.4 else None
    wanted = mine or {"net_id": turn.scene.cloud.furnished.network_id}
    if mine is not None and port is not None:
        port.with_servers.append(server.id)
    path = f"{SERVERS}/{server.id}/os-interface"
    answer = await turn.ask("POST", path, {"interfaceAttachment": wanted}, allowed=(200, *REFUSED))
    if answer.status == 200:
        server.deeds.append(turn.deed("attach_interface", answer))


async def pull_out(turn: Turn) -> None:
    server = turn.one("server")
    if server is None:
        return
    path = f"{SERVERS}/{server.id}/os-interface"
    answer = await turn.take_out(path, "interfaceAttachments", "port_id", (202, *REFUSED))
    if answer is not None and answer.status == 202:
        server.deeds.append(turn.deed("detach_interface", answer))


def _outside(turn: Turn) -> dict[str, Any]:
    return {"external_gateway_info": {"network_id": turn.tenant.outside}}


async def _create(turn: Turn, kind: Any, path: str, wanted: dict[str, Any], word: str = "", named: bool = True) -> str | None:
    """The id of the new thing; None when it was refused, or nobody knows."""
    word = word or kind
    body = {word: {**wanted, **({"name": turn.name} if named else {"description": turn.name})}}
    answer = await turn.ask("POST", f"{NETWORK}/{path}", body, allowed=(201, *REFUSED))
    if answer.status == 201:
        made = str(answer.body[word]["id"])
        turn.promised(kind, made, turn.name)
        return made
    if not answer.known:
        turn.perhaps(kind, turn.name)
    return None
