"""2.50: quota classes show server groups, and no longer what was the network service's."""

from kilonova.api.compute.changes import v2_36
from kilonova.api.compute.changes.change import Asked, Change, Document, Shown, inside, refuse
from kilonova.model.quota import ComputeQuota

GROUP_QUOTAS = ("server_groups", "server_group_members")
NETWORK_QUOTAS_UNTIL = (2, 49)
"""The newest version in which quota classes hold them."""


def with_network_quotas(document: Document, about: ComputeQuota) -> Document:
    return v2_36.with_network_quotas({name: value for name, value in document.items() if name not in GROUP_QUOTAS}, about)


def without_group_quotas(document: Document) -> Document:
    refuse(inside(document, "quota_class_set"), *GROUP_QUOTAS)
    return document


CHANGE = Change(lift={Asked.QUOTA_CLASS_UPDATE: without_group_quotas}, lower={Shown.QUOTA_CLASS: with_network_quotas})
