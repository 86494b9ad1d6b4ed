"""Filter, then take the emptiest. Sees a snapshot and changes nothing; the claim is made elsewhere."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from kilonova.model.host import Host
from kilonova.scheduler.company import ANYWHERE, Company


class Ratios(Struct, frozen=True, kw_only=True):
    """How much may be claimed of what is there; Nova's initial values for CPU, no overcommitment of memory and disk."""

    cpu: float = 4.0
    ram: float = 1.0
    disk: float = 1.0


class Need(Struct, frozen=True, kw_only=True):
    """What a server needs of its host. Memory in MiB, disk in GiB."""

    vcpus: int
    ram_mb: int
    disk_gb: int
    zone: str | None = None
    host: str | None = None
    """Only this one (admins)."""
    tried: frozenset[str] = frozenset()
    """Hosts where this build has failed already."""
    ratios: Ratios = Ratios()
    company: Company = ANYWHERE
    """Which hosts the servers it wants to be near, or apart from, are on."""


class Choice(Struct, frozen=True, kw_only=True):
    """The host, or None and why each was refused: host name → class of reason."""

    host: Host | None
    refused: dict[str, str]
    largest_ram_mb: int = 0
    """The most memory any otherwise fitting host has free."""
    largest_vcpus: int = 0
    largest_disk_gb: int = 0


Filter = Callable[[Need, Host], bool]


def _wrong_host(need: Need, host: Host) -> bool:
    return need.host is not None and need.host != host.name


def _silent(need: Need, host: Host) -> bool:
    return not host.up


def _disabled(need: Need, host: Host) -> bool:
    return not host.enabled


def _wrong_zone(need: Need, host: Host) -> bool:
    return need.zone is not None and need.zone != host.availability_zone


def _tried(need: Need, host: Host) -> bool:
    return host.name in need.tried


def _wrong_company(need: Need, host: Host) -> bool:
    company = need.company
    return host.name in company.never or (company.only is not None and host.name not in company.only)


def _no_memory(need: Need, host: Host) -> bool:
    return host.ram_mb * need.ratios.ram - host.ram_mb_used < need.ram_mb


def _no_cpu(need: Need, host: Host) -> bool:
    return host.vcpus * need.ratios.cpu - host.vcpus_used < need.vcpus


def _no_disk(need: Need, host: Host) -> bool:
    return host.disk_gb * need.ratios.disk - host.disk_gb_used < need.disk_gb


FILTERS: Sequence[tuple[str, Filter]] = (
    ("not the host that was asked for", _wrong_host),
    ("does not answer", _silent),
    ("disabled", _disabled),
    ("wrong zone", _wrong_zone),
    ("the build failed there", _tried),
    ("not where its server group or its hints allow", _wrong_company),
    ("not enough memory", _no_memory),
    ("not enough vCPUs", _no_cpu),
    ("not enough disk", _no_disk),
)
"""In the order in which they are tried; the first that applies is the reason."""

ROOM = frozenset({"not enough memory", "not enough vCPUs", "not enough disk"})


def choose(need: Need, hosts: Sequence[Host]) -> Choice:
    """The fitting host with the largest share of memory free; among equals the one with fewest servers, then by name.

    A soft policy of a server group goes before all that.
    """
    best: Host | None = None
    best_key: tuple[int, float, int, str] = (0, 0.0, 0, "")
    refused: dict[str, str] = {}
    for host in hosts:
        reason = next((name for name, applies in FILTERS if applies(need, host)), None)
        if reason is not None:
            refused[host.name] = reason
            continue
        share = host.ram_mb_used / host.ram_mb if host.ram_mb else 1.0
        key = (-need.company.liking.get(host.name, 0), share, host.servers, host.name)
        if best is None or key < best_key:
            best, best_key = host, key
    if best is not None:
        return Choice(host=best, refused=refused)
    near = [host for host in hosts if refused[host.name] in ROOM]
    return Choice(
        host=None,
        refused=refused,
        largest_ram_mb=max((int(h.ram_mb * need.ratios.ram) - h.ram_mb_used for h in near), default=0),
        largest_vcpus=max((int(h.vcpus * need.ratios.cpu) - h.vcpus_used for h in near), default=0),
        largest_disk_gb=max((int(h.disk_gb * need.ratios.disk) - h.disk_gb_used for h in near), default=0),
    )
