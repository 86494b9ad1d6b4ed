"""2.3: admins see more of a server: reservation, launch index, host name, kernel, ramdisk, root device, user data.

And everybody sees whether an attached volume goes with the server.
"""

from typing import Any

from kilonova.api.compute.changes.change import Change, Document, Shown, without

PREFIX = "OS-EXT-SRV-ATTR:"
_hidden = without(
    PREFIX + "reservation_id",
    PREFIX + "launch_index",
    PREFIX + "hostname",
    PREFIX + "kernel_id",
    PREFIX + "ramdisk_id",
    PREFIX + "root_device_name",
    PREFIX + "user_data",
)


def as_before(document: Document, about: Any) -> Document:
    volumes = document["os-extended-volumes:volumes_attached"]
    document["os-extended-volumes:volumes_attached"] = [{"id": volume["id"]} for volume in volumes]
    return _hidden(document, about)


CHANGE = Change(lower={Shown.SERVER: as_before})
