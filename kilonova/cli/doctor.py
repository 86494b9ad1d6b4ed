"""`kilonova doctor`: what this machine can do, each thing tried and not only looked for, and what is used instead."""

import os
import shutil
from pathlib import Path

from rich.console import Console
from rich.table import Table

from kilonova.bus.nats_server import packaged_binary
from kilonova.drivers.hypervisor.accel import choose
from kilonova.drivers.identity import UidRange
from kilonova.drivers.network.probe import probe
from kilonova.errors import KilonovaError
from kilonova.model.ids import ServerId
from kilonova.settings import Settings

Finding = tuple[str, bool, str]


def examine(settings: Settings) -> int:
    """Prints a line for each finding; 0 when real guests can be built, 1 when only simulated ones."""
    findings = [_root(), *_qemu(settings), _volumes(), _broker()]
    abilities = probe(settings.dnsmasq)
    findings += [
        (name.replace("_", " "), ability.there, ability.reason) for name, ability in abilities.all().items() if name != "root"
    ]
    table = Table(box=None, padding=(0, 1))
    for name in ("", "what", "why"):
        table.add_column(name)
    for what, good, why in findings:
        table.add_row("[green]yes[/]" if good else "[yellow]no[/]", what, why)
    console = Console()
    console.print(table)
    qemu = dict((what, good) for what, good, _ in findings)
    accelerator = "kvm" if qemu.get("KVM") else "tcg"
    console.print(
        f"guests: {'QEMU with ' + accelerator if qemu['QEMU'] else 'simulated only: install qemu-system-x86 and qemu-utils'}"
    )
    how = {
        "linux": "a namespace, bridge and DHCP per network, metadata at 169.254.169.254",
        "user": "QEMU user networking, ssh by a loopback port, and a config drive instead of metadata",
    }
    console.print(f"network: {how[abilities.kind]}")
    return 0 if qemu["QEMU"] else 1


def _root() -> Finding:
    return ("root", os.geteuid() == 0, "guests run as users of their own" if os.geteuid() == 0 else f"uid {os.geteuid()}")


def _qemu(settings: Settings) -> list[Finding]:
    binary = shutil.which(settings.qemu)
    if binary is None or shutil.which("qemu-img") is None:
        return [("QEMU", False, f"{settings.qemu} or qemu-img is not installed")]
    try:
        found = choose(Path(binary), UidRange(first=settings.guest_uid_base).identity(ServerId("probe")))
    except KilonovaError as error:
        return [("QEMU", True, binary), ("KVM", False, str(error))]
    return [("QEMU", True, binary), ("KVM", found.name == "kvm", found.reason)]


def _volumes() -> Finding:
    missing = [name for name in ("qemu-storage-daemon", "qemu-img") if shutil.which(name) is None]
    if missing:
        return ("volumes", False, f"{' and '.join(missing)} not installed: Debian has them in qemu-system-common and qemu-utils")
    return ("volumes", True, "served over TLS by qemu-storage-daemon")


def _broker() -> Finding:
    try:
        return ("NATS server", True, str(packaged_binary()))
    except KilonovaError as error:
        return ("NATS server", False, str(error))
