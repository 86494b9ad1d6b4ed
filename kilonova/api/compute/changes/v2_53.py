"""2.53: services and hypervisors are known by UUID; before, by a number, and services had paths ``/enable`` and ``/disable``.

There is no number in the ledger: the one shown is made from the UUID, so that it is the same every time.
"""

import hashlib

from kilonova.api.compute.changes.change import Asked, Change, Document, Shown, ignoring
from kilonova.model.host import Host, Role


def number_of(uuid: str) -> int:
    """A stable number below 2^31 for a UUID; for anything else as well."""
    digits = uuid.replace("-", "")[:7]
    try:
        return int(digits, 16) + 1
    except ValueError:
        return int(hashlib.sha1(uuid.encode(), usedforsecurity=False).hexdigest()[:7], 16) + 1


def service_by_number(document: Document, about: Role) -> Document:
    return {**document, "id": number_of(document["id"])}


def hypervisor_by_number(document: Document, about: Host) -> Document:
    document["id"] = number_of(document["id"])
    if "service" in document:
        document["service"] = {**document["service"], "id": number_of(document["service"]["id"])}
    return document


CHANGE = Change(
    lift={Asked.HYPERVISOR_QUERY: ignoring("hypervisor_hostname_pattern", "with_servers")},
    lower={
        Shown.SERVICE: service_by_number,
        Shown.HYPERVISOR: hypervisor_by_number,
        Shown.HYPERVISOR_BRIEF: hypervisor_by_number,
    },
)
