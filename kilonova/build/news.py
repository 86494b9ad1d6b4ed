"""The notifications that a build gives off, shaped as Nova's versioned ones so that existing readers understand them."""

from typing import Any

from kilonova.build.record import Requested
from kilonova.model.server import Fault


def news_of(build: Requested, state: str, fault: Fault | None) -> dict[str, Any]:
    """The payload of ``instance.create.*``: who, what, how large, in which state, and why not."""
    flavor = build.flavor
    return {
        "nova_object.name": "InstanceCreatePayload",
        "nova_object.namespace": "nova",
        "nova_object.version": "1.12",
        "nova_object.data": {
            "uuid": build.server_id,
            "display_name": build.name,
            "host_name": build.hostname,
            "tenant_id": build.project_id,
            "user_id": build.user_id,
            "request_id": build.request_id,
            "reservation_id": build.reservation_id,
            "image_uuid": build.image.id if build.image else "",
            "availability_zone": build.availability_zone,
            "state": state,
            "metadata": build.metadata,
            "key_name": build.key_name,
            "flavor": {
                "flavorid": flavor.id,
                "name": flavor.name,
                "vcpus": flavor.vcpus,
                "memory_mb": flavor.ram_mb,
                "root_gb": flavor.disk_gb,
            },
            "fault": None if fault is None else {"exception_message": fault.message},
        },
    }
