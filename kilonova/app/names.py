"""What the nodes of one machine are called, and how this cloud's things on it are told from another's. Opens nothing."""

import socket

from kilonova.model.ids import HostName, NodeName
from kilonova.settings import Settings


def host_names(settings: Settings) -> list[HostName]:
    """The hosts that this machine's compute node serves."""
    if settings.hypervisor == "simulated":
        return [HostName(f"sim-{number:04}") for number in range(1, settings.simulated_hosts + 1)]
    return [HostName(socket.gethostname())]


def compute_node_name(settings: Settings) -> NodeName:
    return NodeName("simulated" if settings.hypervisor == "simulated" else socket.gethostname())


def network_node_name(settings: Settings) -> NodeName:
    return NodeName(f"network-{compute_node_name(settings)}")


def volume_node_name(settings: Settings) -> NodeName:
    return NodeName(f"volume-{compute_node_name(settings)}")


def cloud_mark(settings: Settings) -> str:
    """Four characters that tell this data folder's things on the machine from another cloud's."""
    import hashlib

    return hashlib.sha256(str(settings.data).encode()).hexdigest()[:4]
