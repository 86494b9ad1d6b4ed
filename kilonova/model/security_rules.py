"""Which security group rules make sense, and their canonical form: Neutron's checks and words. Enforces nothing on any packet."""

from ipaddress import ip_interface

from msgspec import Struct

from kilonova.errors import BadRequest
from kilonova.model.network_wish import NewSecurityGroupRule
from kilonova.model.subnet_rules import invalid

PROTOCOLS = {
    "ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "hopopt": 0, "icmp": 1, "igmp": 2, "ip": 0, "ipip": 4,
    "ipv6-encap": 41, "ipv6-frag": 44, "ipv6-icmp": 58, "icmpv6": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "ipv6-route": 43,
    "ospf": 89, "pgm": 113, "rsvp": 46, "sctp": 132, "tcp": 6, "udp": 17, "udplite": 136, "vrrp": 112,
}  # fmt: skip
"""Name → IANA number: the names Neutron knows."""
WITH_PORTS = {6, 17, 33, 132, 136}
ICMP = {1, 58}
ONLY_V6 = {41, 43, 44, 58, 59, 60}


class RuleTerms(Struct, frozen=True, kw_only=True):
    """A rule without its identity: two rules of a group with equal terms are duplicates."""

    direction: str
    ethertype: str
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_group_id: str | None = None
    remote_ip_prefix: str | None = None

    @property
    def key(self) -> str:
        """What is unique in a group."""
        number = _number(self.protocol) if self.protocol is not None else "any"
        low, high, prefix = self.port_range_min, self.port_range_max, self.remote_ip_prefix
        return f"{self.direction}|{self.ethertype}|{number}|{low}|{high}|{self.remote_group_id}|{prefix}"


def default_terms(group_id: str) -> tuple[RuleTerms, ...]:
    """What a project's default group begins with: everything out, and in only from its own members."""
    return tuple(
        RuleTerms(direction=direction, ethertype=ethertype, remote_group_id=group_id if direction == "ingress" else None)
        for direction in ("egress", "ingress")
        for ethertype in ("IPv4", "IPv6")
    )


def new_group_terms() -> tuple[RuleTerms, ...]:
    """What every other group begins with: everything out."""
    return tuple(RuleTerms(direction="egress", ethertype=ethertype) for ethertype in ("IPv4", "IPv6"))


def rule_terms(wish: NewSecurityGroupRule) -> RuleTerms:
    """The rule in canonical form. Raises BadRequest with Neutron's type for what is wrong."""
    direction = wish.direction.lower()
    if direction not in ("ingress", "egress"):
        raise invalid("direction", wish.direction, "is not in ['ingress', 'egress']")
    ethertype = {"ipv4": "IPv4", "ipv6": "IPv6"}.get((wish.ethertype or "IPv4").lower())
    if ethertype is None:
        raise _bad("SecurityGroupRuleInvalidEtherType", f"Security group rule for ethertype '{wish.ethertype}' not supported.")
    protocol = _protocol(wish.protocol, ethertype)
    _check_ports(wish, protocol)
    if wish.remote_group_id and wish.remote_ip_prefix:
        message = "Only remote_ip_prefix or remote_group_id may be provided."
        raise _bad("SecurityGroupRemoteGroupAndRemoteIpPrefix", message)
    return RuleTerms(
        direction=direction,
        ethertype=ethertype,
        protocol=protocol,
        port_range_min=wish.port_range_min,
        port_range_max=wish.port_range_max,
        remote_group_id=wish.remote_group_id,
        remote_ip_prefix=_prefix(wish.remote_ip_prefix, ethertype),
    )


def _protocol(wanted: str | int | None, ethertype: str) -> str | None:
    if wanted is None or str(wanted).lower() in ("any", ""):
        return None
    name = str(wanted).lower()
    if name not in PROTOCOLS and not (name.isascii() and name.isdigit() and int(name) <= 255):
        known = ", ".join(sorted(PROTOCOLS))
        message = f"Security group rule protocol {wanted} not supported. Only [{known}] and numbers from 0 to 255 are."
        raise _bad("SecurityGroupRuleInvalidProtocol", message)
    if name == "icmp" and ethertype == "IPv6":
        return "ipv6-icmp"
    if name == "icmpv6":
        name = "ipv6-icmp"
    if ethertype == "IPv4" and _number(name) in ONLY_V6:
        message = f"Invalid ethertype {ethertype} for protocol {wanted}."
        raise _bad("SecurityGroupEthertypeConflictWithProtocol", message)
    return str(int(name)) if name.isdigit() else name


def _number(protocol: str) -> int:
    return PROTOCOLS[protocol] if protocol in PROTOCOLS else int(protocol)


def _check_ports(wish: NewSecurityGroupRule, protocol: str | None) -> None:
    low, high = wish.port_range_min, wish.port_range_max
    if low is None and high is None:
        return
    if protocol is None:
        raise _bad("SecurityGroupProtocolRequiredWithPorts", "Must also specify protocol if port range is given.")
    number = _number(protocol)
    if number in ICMP:
        _check_icmp(low, high)
    elif number not in WITH_PORTS:
        message = f"Invalid protocol {protocol} for port range, only supported for TCP, UDP, UDPLITE, SCTP and DCCP."
        raise _bad("SecurityGroupInvalidProtocolForPort", message)
    elif low is None or high is None or low > high:
        raise _bad("SecurityGroupInvalidPortRange", "For TCP/UDP protocols, port_range_min must be <= port_range_max")
    elif low < 0 or high > 65535:
        raise _bad("SecurityGroupInvalidPortValue", f"Invalid value for port {low if low < 0 else high}")


def _check_icmp(kind: int | None, code: int | None) -> None:
    for field, name, value in (("port_range_min", "type", kind), ("port_range_max", "code", code)):
        if value is not None and not 0 <= value <= 255:
            message = f"Invalid value for ICMP {name} ({field}) {value}. It must be 0 to 255."
            raise _bad("SecurityGroupInvalidIcmpValue", message)
    if kind is None:
        message = f"ICMP code (port-range-max) {code} is provided but ICMP type (port-range-min) is missing."
        raise _bad("SecurityGroupMissingIcmpType", message)


def _prefix(text: str | None, ethertype: str) -> str | None:
    """With its length, and with the host bits it was given, as Neutron shows it; the whole network is meant."""
    if not text:
        return None
    try:
        if "%" in text:
            raise ValueError
        found = ip_interface(text)
    except ValueError:
        raise BadRequest(f"Invalid CIDR {text} given as IP prefix.", kind="InvalidCIDR") from None
    if f"IPv{found.version}" != ethertype:
        message = f"Conflicting value ethertype {ethertype} for CIDR {text}"
        raise _bad("SecurityGroupRuleParameterConflict", message)
    return found.with_prefixlen


def _bad(kind: str, message: str) -> BadRequest:
    return BadRequest(message, kind=kind)
