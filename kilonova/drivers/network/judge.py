"""Whether the security groups let a conversation begin, worked out without the kernel: for those that have begun already.

The packet filter judges only beginnings, so when rules go, what they had let in must be found and ended. Pure.
"""

import ipaddress
from collections.abc import Callable, Iterable

from kilonova.drivers.network.conntrack import Flow
from kilonova.drivers.network.groups import WITH_PORTS, InGroup, Plans, number_of
from kilonova.drivers.network.layout import METADATA_IP, Member, link_local
from kilonova.model.fabric import GroupRule

_SERVICE_PORTS = {67, 68, 546, 547}


def judge(
    members: Iterable[Member], plans: Plans, in_group: InGroup, own: Iterable[str], gone: Iterable[str]
) -> Callable[[Flow], bool]:
    """A function that says whether a conversation may go on.

    `own`: the addresses of the network node itself, which no group hinders. `gone`: those that nobody here has any more.
    """
    members = tuple(members)
    owner = {link_local(member.mac): member for member in members}
    owner |= {ip: member for member in members for ip in member.addresses if "/" not in ip}
    ranges = [(cidr, member) for member in members for cidr in member.addresses if "/" in cidr]
    departed = set(gone) - owner.keys()
    begun_here = set(own) - owner.keys()

    def may_go_on(flow: Flow) -> bool:
        if (flow.protocol == 17 and flow.port in _SERVICE_PORTS) or METADATA_IP in (flow.source, flow.target):
            return True
        if departed & {flow.source, flow.target}:
            return False
        if flow.source in begun_here:
            to = _of(flow.target)
            return to is None or to.up
        return _may(_of(flow.source), "egress", flow, flow.target) and _may(_of(flow.target), "ingress", flow, flow.source)

    def _of(ip: str) -> Member | None:
        return owner.get(ip) or next((member for cidr, member in ranges if _within(ip, cidr)), None)

    def _may(member: Member | None, direction: str, flow: Flow, remote: str) -> bool:
        if member is None or (member.up and not member.guarded):
            return True
        rules = (rule for group in member.groups if group in plans for rule in plans[group].rules)
        return member.up and any(
            rule.direction == direction and _fits(rule, flow) and _is_remote(rule, remote, in_group) for rule in rules
        )

    return may_go_on


def _fits(rule: GroupRule, flow: Flow) -> bool:
    number = number_of(rule)
    if rule.version != (6 if ":" in flow.source else 4) or number not in (None, flow.protocol):
        return False
    if number is None or rule.port_min is None:
        return True
    if number in (1, 58):
        return flow.port == rule.port_min and rule.port_max in (None, flow.code)
    if number in WITH_PORTS:
        return rule.port_min <= flow.port <= (rule.port_min if rule.port_max is None else rule.port_max)
    return True


def _is_remote(rule: GroupRule, remote: str, in_group: InGroup) -> bool:
    if rule.remote_group:
        known = in_group(rule.remote_group)
        return remote in known or any("/" in cidr and _within(remote, cidr) for cidr in known)
    return rule.remote_cidr is None or _within(remote, rule.remote_cidr)


def _within(address: str, cidr: str) -> bool:
    network, ip = ipaddress.ip_network(cidr, strict=False), ipaddress.ip_address(address)
    return network.version == ip.version and ip in network
