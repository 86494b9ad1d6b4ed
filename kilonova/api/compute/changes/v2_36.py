"""2.36: what is the network service's business left compute: its limits and quotas, and the proxies to other services."""

from kilonova.api.compute.changes.change import Change, Document, Shown
from kilonova.model.quota import ComputeQuota

NETWORK_QUOTAS = ("fixed_ips", "floating_ips", "security_groups", "security_group_rules")
NETWORK_LIMITS = {
    "maxSecurityGroups": "security_groups",
    "maxSecurityGroupRules": "security_group_rules",
    "maxTotalFloatingIps": "floating_ips",
}
NETWORK_USAGE = ("totalFloatingIpsUsed", "totalSecurityGroupsUsed")
NETWORK_QUOTAS_UNTIL = (2, 35)
"""The newest version whose requests may hold them: kept and shown, and without effect, as in Nova."""


def with_network_quotas(document: Document, about: ComputeQuota) -> Document:
    return {**document, **{name: getattr(about, name) for name in NETWORK_QUOTAS}}


def with_network_usage(document: Document, about: ComputeQuota) -> Document:
    quotas = with_network_quotas({}, about)
    return {**document, **{name: {"limit": limit, "in_use": 0, "reserved": 0} for name, limit in quotas.items()}}


def with_network_limits(document: Document, about: ComputeQuota) -> Document:
    limits = {name: getattr(about, quota) for name, quota in NETWORK_LIMITS.items()}
    return {**document, **limits, **dict.fromkeys(NETWORK_USAGE, 0)}


CHANGE = Change(
    lower={Shown.QUOTA: with_network_quotas, Shown.QUOTA_DETAIL: with_network_usage, Shown.LIMITS: with_network_limits},
)
