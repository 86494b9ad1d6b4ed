"""What the machine can do: as found by trying, with reasons, and nothing left of the tries."""

import os
import subprocess
import sys

import pytest

from kilonova.drivers.network import namespaces
from kilonova.drivers.network.probe import probe

_AS_NOBODY = """
import os
from kilonova.drivers.network.probe import probe
os.setgroups([]); os.setgid(65534); os.setuid(65534)
found = probe()
print(found.kind, found.root.reason, found.namespace.reason, found.tap.reason, sep="|")
"""


@pytest.mark.root
def test_as_root_each_ability_is_tried_and_nothing_is_left() -> None:
    if os.geteuid() != 0:
        pytest.skip("does not run as root")
    found = probe()
    assert found.root.there
    assert all(ability.reason for ability in found.all().values())
    assert found.kind == ("linux" if all(ability.there for ability in found.all().values()) else "user")
    assert namespaces.names(f"knprobe{os.getpid()}") == set(), "other probes may be under way on this machine"


def test_without_dnsmasq_only_user_networking_is_left() -> None:
    found = probe(dnsmasq="no-such-program")
    assert not found.dnsmasq.there
    assert "not installed" in found.dnsmasq.reason
    assert found.kind == "user"


@pytest.mark.root
def test_without_root_nothing_is_tried_that_needs_it() -> None:
    if os.geteuid() != 0:
        pytest.skip("does not run as root, so it cannot become somebody else")
    done = subprocess.run([sys.executable, "-c", _AS_NOBODY], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "user|does not run as root|needs root|needs a network namespace"
