"""Plans of routers and security groups for the tests, and what two guests can say to each other. Nothing else."""

import socket
from typing import Any

import msgspec

from kilonova.drivers.network import namespaces
from kilonova.model.fabric import FloatingAddress, GroupPlan, GroupRule, NetworkPlan, RouterPlan, RouterPort
from kilonova.model.ids import NetworkId, PortId, SubnetId
from kilonova.model.port import Port
from tests.drivers.network.guest import NET_A, NET_B, Guest, a_port

WEB, DB = "0eb00000-0000-4000-8000-000000000000", "0db00000-0000-4000-8000-000000000000"
EXTERNAL = NetworkId("9e000000-0000-4000-8000-00000000000e")
OUT = (GroupRule(direction="egress", version=4), GroupRule(direction="egress", version=6))


def a_rule(**changed: Any) -> GroupRule:
    """Lets TCP to port 80 in, over IPv4."""
    known: dict[str, Any] = {"direction": "ingress", "version": 4, "protocol": "tcp", "port_min": 80, "port_max": 80}
    return GroupRule(**{**known, **changed})


def a_group(*rules: GroupRule, id: str = WEB, revision: int = 1) -> GroupPlan:
    """A group that lets everything out, and in what `rules` say."""
    return GroupPlan(id=id, revision=revision, rules=(*OUT, *rules))


def b_port(number: int, **changed: Any) -> Port:
    """Port `number` on the other network, with the address 10.1.0.`number`."""
    port = a_port(number, NET_B, **changed)
    address = msgspec.structs.replace(
        port.addresses[0], ip=f"10.1.0.{number}", cidr="10.1.0.0/24", gateway="10.1.0.1", host_routes=()
    )
    return msgspec.structs.replace(port, addresses=(address,))


def an_end(number: int, network: NetworkId, *addresses: tuple[str, str]) -> RouterPort:
    """A router's port with these (IP, CIDR)."""
    return RouterPort(
        port_id=PortId(f"{number:08x}-{network[:4]}-4222-8222-222222222222"),
        network_id=network,
        mac=f"02:00:00:01:{network[:2]}:{number:02x}",
        mtu=1450,
        addresses=tuple((ip, cidr, SubnetId("s")) for ip, cidr in addresses),
    )


INSIDE_A = an_end(1, NET_A, ("10.0.0.1", "10.0.0.0/24"))
INSIDE_B = an_end(1, NET_B, ("10.1.0.1", "10.1.0.0/24"))
GATEWAY = an_end(2, EXTERNAL, ("172.24.4.2", "172.24.4.0/24"))
OUTER = NetworkPlan(id=EXTERNAL, revision=1, subnets=(("172.24.4.0/24", "172.24.4.1"),))


def a_router(revision: int = 1, **changed: Any) -> RouterPlan:
    """Between the two networks and the external one."""
    known: dict[str, Any] = {"inside": (INSIDE_A, INSIDE_B), "gateway": GATEWAY, "next_hop": ("172.24.4.1",)}
    return RouterPlan(id="70a7e400-0000-4000-8000-000000000001", revision=revision, **{**known, **changed})


def a_float(number: int, fixed: str, network: NetworkId = NET_A) -> FloatingAddress:
    """172.24.4.`number`, which leads to `fixed`."""
    return FloatingAddress(id=f"float-{number}", floating_ip=f"172.24.4.{number}", fixed_ip=fixed, network_id=network)


class Ear:
    """A guest (or a namespace) that listens on a TCP port."""

    def __init__(self, where: Guest | str, port: int = 80, family: socket.AddressFamily = socket.AF_INET) -> None:
        name = where if isinstance(where, str) else where.name
        self.listener = namespaces.inside(name, lambda: socket.create_server(("", port), family=family))
        self.listener.settimeout(3)

    def __enter__(self) -> "Ear":
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()


def reaches(where: Guest | str, host: str, port: int = 80, source: str | None = None, timeout: float = 0.7) -> bool:
    """Whether somebody there can begin a conversation; a refusal comes from the host, so it was reached."""
    name = where if isinstance(where, str) else where.name
    try:
        with namespaces.inside(name, lambda: socket.create_connection((host, port), timeout, (source, 0) if source else None)):
            return True
    except ConnectionRefusedError:
        return True
    except OSError:
        return False


def still_talks(near: socket.socket, far: socket.socket) -> bool:
    """Whether what is said at one end of a connection is heard at the other."""
    near.settimeout(0.8)
    far.settimeout(0.8)
    try:
        near.send(b"?")
        return far.recv(10) != b""
    except OSError:
        return False
