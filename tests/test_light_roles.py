"""A node carries only what it needs: neither SQL nor HTTP. What it loads, it pays for at every start."""

import subprocess
import sys

import pytest

NODE_SIDE = (
    "kilonova.app",
    "kilonova.build",
    "kilonova.bus.bus",
    "kilonova.nodes.compute",
    "kilonova.nodes.greeting",
    "kilonova.nodes.inventory_answers",
    "kilonova.nodes.network",
    "kilonova.drivers.disks.local",
    "kilonova.drivers.hypervisor.qemu",
    "kilonova.drivers.network.linux",
    "kilonova.drivers.network.taps",
)
TOO_HEAVY = (
    "sqlalchemy",
    "falcon",
    "uvicorn",
    "pyroute2",
    "pycdlib",
    "rich",
    "oslo_utils",
    "alembic",
    "kilonova.ledger",
    "kilonova.api",
)


@pytest.mark.parametrize("module", NODE_SIDE)
def test_a_node_does_not_load_what_only_control_needs(module: str) -> None:
    probe = f"import sys, {module}; print(' '.join(sorted(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60).stdout.split()
    assert module in loaded
    heavy = [name for name in TOO_HEAVY if name in loaded]
    assert not heavy, f"{module} loads {heavy}"
