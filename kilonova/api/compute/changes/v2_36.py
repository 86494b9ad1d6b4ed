"""2.36: what is the network service's business left compute: its limits and quotas, and the proxies to other services."""

from typing import Any

from kilonova.api.compute.changes.change import Asked, Change, Document, Shown, inside

NETWORK_QUOTAS = ("fixed_ips", "floating_ips", "security_groups", "security_group_rules")
NETWORK_LIMITS = ("maxSecurityGroups", "maxSecurityGroupRules", "maxTotalFloatingIps")
NETWORK_USAGE = ("totalFloatingIpsUsed", "totalSecurityGroupsUsed")


def without_network_quotas(document: Document) -> Document:
    """Accepted and without effect, as in Nova: the network service has its own."""
    quota = inside(document, "quota_set")
    for name in NETWORK_QUOTAS:
        quota.pop(name, None)
    return document


def with_network_quotas(document: Document, about: Any) -> Document:
    return {**document, **dict.fromkeys(NETWORK_QUOTAS, -1)}


def with_network_usage(document: Document, about: Any) -> Document:
    return {**document, **{name: {"limit": -1, "in_use": 0, "reserved": 0} for name in NETWORK_QUOTAS}}


def with_network_limits(document: Document, about: Any) -> Document:
    return {**document, **dict.fromkeys(NETWORK_LIMITS, -1), **dict.fromkeys(NETWORK_USAGE, 0)}


CHANGE = Change(
    lift={Asked.QUOTA_UPDATE: without_network_quotas},
    lower={Shown.QUOTA: with_network_quotas, Shown.QUOTA_DETAIL: with_network_usage, Shown.LIMITS: with_network_limits},
)
