"""A guest for network tests: a namespace of its own on the network's bridge, under the tap's name, so every rule meets it.

It has no kernel of its own, and it is not started by a hypervisor.
"""

import http.client
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from kilonova.drivers.network import namespaces
from kilonova.model.fabric import GroupPlan, GroupRule
from kilonova.model.ids import NetworkId, PortId, SubnetId
from kilonova.model.port import Address, Port, Wire

T = TypeVar("T")
NET_A = NetworkId("1a2b3c4d-0000-4000-8000-00000000000a")
NET_B = NetworkId("5e6f7081-0000-4000-8000-00000000000b")
OPEN = GroupPlan(
    id="0be40000-0000-4000-8000-000000000000",
    revision=1,
    rules=tuple(GroupRule(direction=way, version=version) for way in ("ingress", "egress") for version in (4, 6)),
)
"""A security group that lets everything pass."""
_COOKIE = b"\x63\x82\x53\x63"


def a_port(number: int, network: NetworkId = NET_A, **changed: Any) -> Port:
    """Port `number`, with the address 10.0.0.`number`, in the group OPEN."""
    address = Address(
        subnet_id=SubnetId(f"subnet-of-{network[:8]}"),
        ip=f"10.0.0.{number}",
        cidr="10.0.0.0/24",
        gateway="10.0.0.1",
        dns=("192.0.2.53",),
        host_routes=(("192.0.2.0/24", "10.0.0.9"),),
    )
    known: dict[str, Any] = {
        "id": PortId(f"{number:08x}-{network[:4]}-4111-8111-111111111111"),
        "network_id": network,
        "network_name": "net",
        "mac": f"02:00:00:00:{network[:2]}:{number:02x}",
        "mtu": 1450,
        "addresses": (address,),
        "groups": (OPEN.id,),
    }
    return Port(**{**known, **changed})


class Lease(Struct, frozen=True):
    """What DHCP answered: the address, the server and the raw options by number."""

    ip: str
    server: str
    options: dict[int, bytes]


class Guest:
    """A small machine on a wire."""

    def __init__(self, name: str, wire: Wire) -> None:
        from pyroute2 import IPRoute

        self.name, self.wire = name, wire
        namespaces.create(name)

        def plug() -> None:
            with IPRoute() as ip, open(namespaces.RUN / name) as there:
                ip.link(
                    "add", ifname=wire.tap, kind="veth", peer={"ifname": "eth0", "address": wire.mac, "net_ns_fd": there.fileno()}
                )
                bridge, tap = ip.link_lookup(ifname=wire.bridge)[0], ip.link_lookup(ifname=wire.tap)[0]
                ip.link("set", index=tap, master=bridge, state="up")

        def power_on() -> None:
            Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")
            with IPRoute() as ip:
                ip.link("set", index=ip.link_lookup(ifname="eth0")[0], state="up")

        namespaces.inside(wire.namespace, plug)
        namespaces.inside(name, power_on)

    def inside(self, work: Callable[[], T]) -> T:
        """The result of `work`, done where the guest is."""
        return namespaces.inside(self.name, work)

    def configure(self, ip: str, gateway: str | None = None, prefix: int = 24) -> None:
        """Take an address, and a default route."""
        from pyroute2 import IPRoute

        def take() -> None:
            with IPRoute() as netlink:
                index = netlink.link_lookup(ifname="eth0")[0]
                netlink.addr("replace", index=index, address=ip, prefixlen=prefix)
                if gateway:
                    netlink.route("replace", dst="default", gateway=gateway)

        self.inside(take)

    def take_six(self, *ips: str) -> None:
        """Take IPv6 addresses, and the link-local one that belongs to the MAC."""
        from pyroute2 import IPRoute

        def take() -> None:
            Path("/proc/sys/net/ipv6/conf/eth0/disable_ipv6").write_text("0")
            with IPRoute() as netlink:
                index = netlink.link_lookup(ifname="eth0")[0]
                for ip in ips:
                    netlink.addr("add", index=index, address=ip, prefixlen=64, flags=0x02)  # no duplicate detection

        self.inside(take)

    def dhcp(self, mac: str | None = None, patience_s: float = 6.0, called: str = "") -> Lease | None:
        """Discover and request, as a guest does that may say how it is `called`; None when nobody answers."""
        name = bytes([12, len(called)]) + called.encode() if called else b""
        return self.inside(lambda: _lease(bytes.fromhex((mac or self.wire.mac).replace(":", "")), patience_s, name))

    def boot(self) -> Lease:
        """Get an address by DHCP and take it, with the default route of option 121 or 3."""
        lease = self.dhcp()
        assert lease is not None, "no DHCP answer"
        router = lease.options.get(3)
        self.configure(lease.ip, socket.inet_ntoa(router) if router else None)
        return lease

    def connect(self, host: str, port: int, source: str | None = None, timeout: float = 2.0) -> socket.socket:
        """A TCP connection out of the guest. Raises OSError."""
        where = (source, 0) if source else None
        return self.inside(lambda: socket.create_connection((host, port), timeout, where))

    def get(self, path: str, method: str = "GET", source: str | None = None, **headers: str) -> tuple[int, bytes]:
        """Ask the metadata service; (status, body). Raises OSError when nobody answers."""
        with self.connect("169.254.169.254", 80, source) as wire:
            connection = http.client.HTTPConnection("169.254.169.254", timeout=2)
            connection.sock = wire
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            try:
                return answer.status, answer.read()
            finally:
                answer.close()

    def unplug(self) -> None:
        """The guest is gone, and its NIC."""
        from pyroute2 import IPRoute

        def drop() -> None:
            with IPRoute() as ip:
                for index in ip.link_lookup(ifname="eth0"):
                    ip.link("del", index=index)

        if namespaces.exists(self.name):
            self.inside(drop)
        namespaces.remove(self.name)


def arp(sender_mac: str, sender_ip: str, target_ip: str, source_mac: str | None = None) -> bytes:
    """An ARP request frame; `source_mac` is the frame's own source, by default the sender's."""
    mac = bytes.fromhex(sender_mac.replace(":", ""))
    ether = b"\xff" * 6 + bytes.fromhex((source_mac or sender_mac).replace(":", "")) + b"\x08\x06"
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + socket.inet_aton(sender_ip)
    return ether + body + bytes(6) + socket.inet_aton(target_ip)


def udp_frame(mac: str, source: tuple[str, int], target: tuple[str, int], payload: bytes, to: bytes = b"\xff" * 6) -> bytes:
    """An Ethernet frame with a UDP packet (checksum left out, which IPv4 allows)."""
    udp = struct.pack("!HHHH", source[1], target[1], 8 + len(payload), 0) + payload
    addresses = socket.inet_aton(source[0]) + socket.inet_aton(target[0])
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0) + addresses
    total = sum(struct.unpack("!10H", ip))
    total = (total & 0xFFFF) + (total >> 16)
    ip = ip[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + ip[12:]
    return to + bytes.fromhex(mac.replace(":", "")) + b"\x08\x00" + ip + udp


def raw_socket(device: str = "eth0") -> socket.socket:
    """A socket for whole frames, in this thread's namespace."""
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    raw.bind((device, 0))
    raw.settimeout(0.3)
    return raw


def _lease(mac: bytes, patience_s: float, name: bytes) -> Lease | None:
    asked = name + b"\x37\x07\x03\x06\x0c\x1a\x42\x43\x79"
    until = time.monotonic() + patience_s
    with raw_socket() as raw:
        while time.monotonic() < until:
            raw.send(_dhcp_frame(mac, b"\x35\x01\x01" + asked))
            offer = _answer(raw, mac, 2)
            if offer is None:
                continue
            wanted = b"\x32\x04" + socket.inet_aton(offer.ip) + b"\x36\x04" + socket.inet_aton(offer.server)
            raw.send(_dhcp_frame(mac, b"\x35\x01\x03" + wanted + asked))
            return _answer(raw, mac, 5)
    return None


def _dhcp_frame(mac: bytes, options: bytes) -> bytes:
    head = struct.pack("!BBBBIHH", 1, 1, 6, 0, 0x1234, 0, 0x8000) + bytes(16) + mac + bytes(10) + bytes(192)
    payload = (head + _COOKIE + options + b"\xff").ljust(300, b"\0")
    return udp_frame(mac.hex(":"), ("0.0.0.0", 68), ("255.255.255.255", 67), payload)


def _answer(raw: socket.socket, mac: bytes, kind: int) -> Lease | None:
    for _ in range(20):
        try:
            frame = raw.recv(2048)
        except TimeoutError:
            return None
        payload = frame[14 + 20 + 8 :]
        if frame[12:14] != b"\x08\x00" or frame[23] != 17 or frame[34:36] != b"\x00\x43" or payload[28:34] != mac:
            continue
        options, rest = {}, payload[240:]
        while rest and rest[0] != 255:
            options[rest[0]], rest = rest[2 : 2 + rest[1]], rest[2 + rest[1] :]
        if options.get(53) == bytes([kind]):
            return Lease(socket.inet_ntoa(payload[16:20]), socket.inet_ntoa(options[54]), options)
    return None
