"""2.28: a hypervisor's ``cpu_info`` is an object; before, it was that object as a string of JSON."""

import json

from kilonova.api.compute.changes.change import Change, Document, Shown
from kilonova.model.host import Host


def cpu_info_as_text(document: Document, about: Host) -> Document:
    if "cpu_info" in document:
        document["cpu_info"] = json.dumps(document["cpu_info"])
    return document


CHANGE = Change(lower={Shown.HYPERVISOR: cpu_info_as_text})
