"""Names for identifiers, so that mypy tells a server's id from an image's."""

import uuid
from typing import NewType

ServerId = NewType("ServerId", str)
ProjectId = NewType("ProjectId", str)
UserId = NewType("UserId", str)
DomainId = NewType("DomainId", str)
ImageId = NewType("ImageId", str)
FlavorId = NewType("FlavorId", str)
NetworkId = NewType("NetworkId", str)
SubnetId = NewType("SubnetId", str)
PortId = NewType("PortId", str)
HostName = NewType("HostName", str)
"""A hypervisor host: what a server is placed on."""
NodeName = NewType("NodeName", str)
"""A process that serves one host (or, simulated, many): what holds a credential for the bus."""


def new_uuid() -> str:
    """A random UUID with dashes, as compute, image and network use."""
    return str(uuid.uuid4())
