"""2.50: quota classes show server groups, and no longer what was the network service's."""

from typing import Any

from kilonova.api.compute.changes.change import Asked, Change, Document, Shown, inside, refuse
from kilonova.api.compute.changes.v2_36 import NETWORK_QUOTAS

GROUP_QUOTAS = ("server_groups", "server_group_members")


def with_network_quotas(document: Document, about: Any) -> Document:
    kept = {name: value for name, value in document.items() if name not in GROUP_QUOTAS}
    return {**kept, **dict.fromkeys(NETWORK_QUOTAS, -1)}


def without_group_quotas(document: Document) -> Document:
    """Those of networks were taken, and meant nothing since networks have a service of their own."""
    limits = inside(document, "quota_class_set")
    refuse(limits, *GROUP_QUOTAS)
    for name in NETWORK_QUOTAS:
        limits.pop(name, None)
    return document


CHANGE = Change(lift={Asked.QUOTA_CLASS_UPDATE: without_group_quotas}, lower={Shown.QUOTA_CLASS: with_network_quotas})
