"""What a port may look like: MACs, address pairs, VNIC types, and the IPv6 address that follows from a MAC. No query."""

import re
import secrets
from collections.abc import Sequence
from ipaddress import IPv6Address, IPv6Network

from kilonova.errors import BadRequest
from kilonova.model.network import AddressPair, DhcpOption
from kilonova.model.network_wish import DhcpOptionWish, PairWish
from kilonova.model.subnet_rules import invalid, read_cidr, read_ip

MAC_PREFIX = "fa:16:3e"
MAX_PAIRS = 10
VNIC_TYPES = ("normal", "macvtap", "direct", "baremetal", "direct-physical", "virtio-forwarder", "smart-nic")
MAX_OPTIONS = 32
_OPTION = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-]{0,63}")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def new_mac() -> str:
    """A random MAC of the range OpenStack uses for guests; 16 million of them, so whoever takes it looks whether it is free."""
    tail = secrets.token_hex(3)
    return f"{MAC_PREFIX}:{tail[0:2]}:{tail[2:4]}:{tail[4:6]}"


def read_mac(text: str) -> str:
    """A unicast MAC in lower case. Raises BadRequest."""
    mac = text.lower().replace("-", ":")
    if not _MAC.fullmatch(mac) or mac == "00:00:00:00:00:00" or int(mac[:2], 16) & 1:
        raise invalid("mac_address", text, "is not a valid MAC address")
    return mac


def address_from_mac(cidr: str, mac: str) -> str:
    """The EUI-64 address that a guest with this MAC gives itself in a /64."""
    octets = [int(part, 16) for part in mac.split(":")]
    octets[0] ^= 2
    tail = bytes([*octets[:3], 0xFF, 0xFE, *octets[3:]])
    return str(IPv6Address(int(IPv6Network(cidr).network_address) | int.from_bytes(tail, "big")))


def vnic_type(text: str) -> str:
    if text not in VNIC_TYPES:
        raise invalid("binding:vnic_type", text, f"is not in {list(VNIC_TYPES)}")
    return text


def address_pairs(wanted: Sequence[PairWish] | None, own_mac: str) -> tuple[AddressPair, ...]:
    """The pairs, each with the port's own MAC where none was named."""
    pairs = []
    for pair in wanted or ():
        read = read_cidr if "/" in pair.ip_address else read_ip
        ip = str(read(pair.ip_address, "allowed_address_pairs"))
        pairs.append(AddressPair(ip_address=ip, mac_address=read_mac(pair.mac_address) if pair.mac_address else own_mac))
    if len(pairs) > MAX_PAIRS:
        raise BadRequest(
            f"The number of allowed address pairs exceeds the maximum {MAX_PAIRS}.", kind="AllowedAddressPairExhausted"
        )
    if len({(p.ip_address, p.mac_address) for p in pairs}) != len(pairs):
        raise BadRequest("Request contains duplicate address pair.", kind="DuplicateAddressPairInRequest")
    return tuple(pairs)


def dhcp_options(have: Sequence[DhcpOption], wanted: Sequence[DhcpOptionWish] | None) -> tuple[DhcpOption, ...]:
    """What there is, with what is wanted put in its place; a wish without a value takes an option away. Raises BadRequest."""
    if len({(wish.opt_name, wish.ip_version) for wish in wanted or ()}) != len(wanted or ()):
        raise BadRequest("Invalid data format for extra-dhcp-opt: there are duplicate options.", kind="HTTPBadRequest")
    options = {(one.opt_name, one.ip_version): one for one in have}
    for wish in wanted or ():
        if not _OPTION.fullmatch(wish.opt_name) or wish.ip_version not in (4, 6):
            raise invalid("extra_dhcp_opts", wish.opt_name, "is not the name of an option of IPv4 or IPv6")
        if wish.opt_value is None:
            options.pop((wish.opt_name, wish.ip_version), None)
        elif not wish.opt_value.isprintable() or not wish.opt_value:
            raise invalid("extra_dhcp_opts", wish.opt_value, "is not the value of an option")
        else:
            one = DhcpOption(opt_name=wish.opt_name, opt_value=wish.opt_value, ip_version=wish.ip_version)
            options[one.opt_name, one.ip_version] = one
    if len(options) > MAX_OPTIONS:
        raise invalid("extra_dhcp_opts", len(options), f"options are more than {MAX_OPTIONS}")
    return tuple(options.values())
