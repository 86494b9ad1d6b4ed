"""Security group rules as the compute API once spoke of them: ingress only, -1 for any ICMP type, ports in pairs. Pure."""

from ipaddress import ip_interface

from kilonova.errors import BadRequest
from kilonova.model.network import SecurityGroupRule
from kilonova.model.network_wish import NewSecurityGroupRule

EVERYWHERE = "0.0.0.0/0"
ANY_PORT = (1, 65535)
ANY_ICMP = (-1, -1)
PROTOCOLS = ("TCP", "UDP", "ICMP")
Ends = tuple[int | str | None, int | str | None]


def ingress(
    group_id: str, protocol: str | None, ends: Ends, cidr: str | None, remote_group_id: str | None
) -> NewSecurityGroupRule:
    """A rule of `group_id` that lets something in: from `remote_group_id` if there is one, else from `cidr`.

    Raises BadRequest.
    """
    prefix = None if remote_group_id else _prefix(cidr)
    ends = _whole_range(protocol, ends) if remote_group_id else ends
    if not protocol or None in ends:
        if prefix is not None:
            raise BadRequest("Not enough parameters to build a valid rule.")
        return NewSecurityGroupRule(security_group_id=group_id, direction="ingress", remote_group_id=remote_group_id)
    first, last = _checked(protocol, ends)
    version_6 = prefix is not None and ":" in prefix
    return NewSecurityGroupRule(
        security_group_id=group_id,
        direction="ingress",
        ethertype="IPv6" if version_6 else "IPv4",
        protocol="ipv6-icmp" if version_6 and protocol.upper() == "ICMP" else protocol.lower(),
        port_range_min=None if first == -1 else first,
        port_range_max=None if last == -1 else last,
        remote_group_id=remote_group_id,
        remote_ip_prefix=prefix,
    )


def ends_of(rule: SecurityGroupRule) -> tuple[int | None, int | None]:
    """(from_port, to_port) as they are shown."""
    if rule.protocol is None or rule.port_range_min is not None or rule.port_range_max is not None:
        return rule.port_range_min, rule.port_range_max
    return ANY_PORT if rule.protocol.upper() in ("TCP", "UDP") else ANY_ICMP


def _whole_range(protocol: str | None, ends: Ends) -> Ends:
    """From a group everything is let in that is not narrowed down."""
    kind = (protocol or "").upper()
    if ends != (None, None) or kind not in PROTOCOLS:
        return ends
    return ANY_ICMP if kind == "ICMP" else ANY_PORT


def _checked(protocol: str, ends: Ends) -> tuple[int, int]:
    kind = protocol.upper()
    try:
        first, last = (int(end) for end in ends if end is not None)
    except ValueError:
        what = "Type and Code must be integers for ICMP protocol type" if kind == "ICMP" else "To and From ports must be integers"
        raise BadRequest(f"Invalid input received: {what}") from None
    if kind not in PROTOCOLS:
        raise BadRequest(f"Invalid IP protocol {protocol[:40]}.")
    wrong = f"Invalid port range {first}:{last}."
    if kind == "ICMP":
        if not (-1 <= first <= 255 and -1 <= last <= 255):
            raise BadRequest(f"{wrong} For ICMP, the type:code must be valid")
    elif first > last:
        raise BadRequest(f"{wrong} Former value cannot be greater than the later")
    elif first < 1 or last > 65535:
        raise BadRequest(f"{wrong} Valid {kind} ports should be between 1-65535")
    return first, last


def _prefix(cidr: str | None) -> str:
    if not cidr:
        return EVERYWHERE
    try:
        return ip_interface(cidr).with_prefixlen
    except ValueError:
        raise BadRequest(f"Invalid CIDR {cidr[:80]}.") from None
