"""`kilonova ssh SERVER`: the way to a guest depends on how its network is made; this verb knows it."""

import os
import subprocess
from pathlib import Path
from typing import Any

from kilonova import app
from kilonova.cli.client import Client
from kilonova.cloud_folder import CloudFolder
from kilonova.errors import NotFound
from kilonova.settings import Settings, running

QUIET = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=5")
ALIVE = ("-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3")
"""A guest that says nothing for half a minute, not even when asked, has gone: ssh by itself would wait for ever."""


def log_in(data: Path, server: str, identity: str | None, login: str, command: tuple[str, ...]) -> int:
    """ssh's exit code. Raises NotFound, Unavailable."""
    settings = running(data)
    found = Client(settings, CloudFolder(settings.data)).server(server)
    way, address, port = reach(settings, found)
    key = ("-i", identity, "-o", "IdentitiesOnly=yes") if identity else ()
    order = [*way, "ssh", *QUIET, *ALIVE, *key, "-p", str(port), f"{login}@{address}", *command]
    return subprocess.run(order, check=False).returncode


def reach(settings: Settings, server: dict[str, Any]) -> tuple[list[str], str, int]:
    """What to put before ``ssh``, and the address and port to give it. Raises NotFound."""
    place = app.reach_guest(settings, server["id"])
    if place is None:
        raise NotFound(f"Server {server['name']} has no address that can be reached from here.")
    if place.namespace and os.geteuid() != 0:
        raise NotFound("Reaching a guest inside its network namespace needs root.")
    # Not `ip netns exec`: that mounts things anew, and fails where / is no mount of its own, as in a chroot.
    way = ["nsenter", f"--net=/run/netns/{place.namespace}"] if place.namespace else []
    return way, place.address, place.port
