"""What this machine can do for networks, found out by doing it: in a scratch namespace that is gone afterwards.

It chooses nothing; ``NetworkAbilities.kind`` says what the findings allow, and ``kilonova doctor`` shows all of them.
"""

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from kilonova.drivers.network import links, namespaces, nft, rules
from kilonova.drivers.network.groups import groups_table, track_rules
from kilonova.drivers.network.layout import Layout
from kilonova.drivers.network.tables import whole
from kilonova.errors import KilonovaError

_LIMIT_S = 5.0


class Ability(Struct, frozen=True):
    """One thing a machine can do or not, and how that was seen."""

    there: bool
    reason: str


class NetworkAbilities(Struct, frozen=True, kw_only=True):
    """Everything ``linux`` needs, each tried for real; what needs a namespace is not tried without one."""

    root: Ability
    namespace: Ability
    bridge: Ability
    tap: Ability
    veth: Ability
    packet_filter: Ability
    dnsmasq: Ability

    @property
    def kind(self) -> str:
        """``linux`` when nothing is missing, else ``user``."""
        return "linux" if all(ability.there for ability in self.all().values()) else "user"

    def all(self) -> dict[str, Ability]:
        """Every ability by its name, in the order they were tried."""
        return {
            "root": self.root,
            "namespace": self.namespace,
            "bridge": self.bridge,
            "tap": self.tap,
            "veth": self.veth,
            "packet_filter": self.packet_filter,
            "dnsmasq": self.dnsmasq,
        }


def probe(dnsmasq: str = "dnsmasq") -> NetworkAbilities:
    """Try everything once; 50 ms as root, nothing is left behind. Blocks: call it from a thread."""
    scratch = f"knprobe{os.getpid()}"
    root = _root()
    namespace = _tried(lambda: namespaces.create(scratch), "made and removed") if root.there else Ability(False, "needs root")

    def within(work: Callable[[], object], good: str) -> Ability:
        if not namespace.there:
            return Ability(False, "needs a network namespace")
        return _tried(lambda: namespaces.inside(scratch, work), good)

    try:
        layout = Layout(mtu=1500, bridge_mac="02:00:00:00:00:01", subnets=())
        return NetworkAbilities(
            root=root,
            namespace=namespace,
            bridge=within(lambda: links.furnish(layout), "a bridge was made and addressed"),
            tap=within(_open_tap, "a tap was opened"),
            veth=within(links.try_veth, "a pair of links was made"),
            packet_filter=within(_filter, "bridge and inet rules were taken"),
            dnsmasq=_dnsmasq(dnsmasq),
        )
    finally:
        if namespace.there:
            with contextlib.suppress(OSError):
                namespaces.remove(scratch)


def _root() -> Ability:
    if os.geteuid() != 0:
        return Ability(False, "does not run as root")
    with Path("/proc/self/status").open() as status:
        granted = next((int(line.split()[1], 16) for line in status if line.startswith("CapEff:")), 0)
    missing = [name for bit, name in ((12, "CAP_NET_ADMIN"), (21, "CAP_SYS_ADMIN")) if not granted >> bit & 1]
    return Ability(not missing, f"lacks {' and '.join(missing)}" if missing else "runs as root")


def _open_tap() -> None:
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", b"tap-probe", 0x0002 | 0x1000 | 0x4000))
    finally:
        os.close(tap)


def _filter() -> None:
    layout = Layout(mtu=1500, bridge_mac="02:00:00:00:00:01", subnets=())
    nft.apply("".join(whole(table, anew=False) for table in (rules.guard(()), groups_table((), {}, lambda _: ()))))
    nft.apply(rules.way(layout, anew=False) + track_rules(anew=False))


def _dnsmasq(program: str) -> Ability:
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if found is None:
        return Ability(False, "the program dnsmasq is not installed")
    try:
        done = subprocess.run([found, "--version"], capture_output=True, timeout=_LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Ability(False, f"dnsmasq does not run: {error}")
    words = done.stdout.decode(errors="replace").split()
    if done.returncode != 0 or "DHCP" not in words:
        return Ability(False, "dnsmasq does not run, or was built without DHCP")
    return Ability(True, " ".join(words[:3]))


def _tried(work: Callable[[], object], good: str) -> Ability:
    try:
        work()
    except (OSError, KilonovaError) as error:
        return Ability(False, str(error) or type(error).__name__)
    return Ability(True, good)
