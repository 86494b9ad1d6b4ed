"""What servers have used in a span of time: hours, and memory, vCPUs and disk for so many hours. Pure arithmetic."""

from collections.abc import Sequence

from msgspec import Struct

from kilonova.model.server import Server


class Period(Struct, frozen=True):
    """Unix seconds; it ends no earlier than it begins."""

    start: float
    end: float


class ProjectUsage(Struct, frozen=True, kw_only=True):
    """The sums over `servers`: MiB·h, vCPU·h, GiB·h."""

    project_id: str
    period: Period
    servers: tuple[Server, ...]

    @property
    def hours(self) -> float:
        return sum(hours_of(server, self.period) for server in self.servers)

    @property
    def ram(self) -> float:
        return sum(server.flavor.ram_mb * hours_of(server, self.period) for server in self.servers)

    @property
    def vcpus(self) -> float:
        return sum(server.flavor.vcpus * hours_of(server, self.period) for server in self.servers)

    @property
    def disk(self) -> float:
        return sum(disk_of(server) * hours_of(server, self.period) for server in self.servers)


def hours_of(server: Server, period: Period) -> float:
    """How long it ran within the period; one that was never launched has used nothing."""
    if server.launched_at is None:
        return 0.0
    end = period.end if server.terminated_at is None else min(server.terminated_at, period.end)
    return max(0.0, end - max(server.launched_at, period.start)) / 3600


def disk_of(server: Server) -> int:
    """GiB."""
    return server.flavor.disk_gb + server.flavor.ephemeral_gb


def by_project(servers: Sequence[Server], period: Period) -> list[ProjectUsage]:
    """In the order in which the projects first occur."""
    projects: dict[str, list[Server]] = {}
    for server in servers:
        projects.setdefault(server.project_id, []).append(server)
    return [ProjectUsage(project_id=project, period=period, servers=tuple(theirs)) for project, theirs in projects.items()]
