"""Puts a cloud together. The only room that names concrete queues, ledgers and drivers; a file for each role.

Each role imports what it needs inside its own function: a compute node has no use for HTTP or SQL, and should not carry them.
"""

import asyncio

from kilonova.app.compute import compute
from kilonova.app.control import control, listen
from kilonova.app.ending import end_everything
from kilonova.app.loaded import load_control
from kilonova.app.names import cloud_mark, compute_node_name, host_names, network_node_name, volume_node_name
from kilonova.app.network import network, reach_guest
from kilonova.app.volume import volume
from kilonova.settings import Settings

__all__ = [
    "ROLES",
    "cloud_mark",
    "compute_node_name",
    "end_everything",
    "host_names",
    "listen",
    "load_control",
    "network_node_name",
    "reach_guest",
    "run_role",
    "volume_node_name",
]

ROLES = {"control": control, "compute": compute, "network": network, "volume": volume}


def run_role(name: str, settings: Settings) -> None:
    """One role, on uvloop, until it is told to stop."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(ROLES[name](settings))
