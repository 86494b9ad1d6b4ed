"""What the compute API asks of the ledger and of the servers' desk."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from kilonova.api.compute.needs_around import AggregateBook, MigrationBook, ServerGroupBook
from kilonova.build.admit import OrderWorld
from kilonova.build.wish import Ordered, Wish
from kilonova.model.caller import Caller
from kilonova.model.diagnostics import Diagnostics
from kilonova.model.flavor import Flavor
from kilonova.model.flavor_filter import FlavorFilter
from kilonova.model.host import Host, Role
from kilonova.model.keypair import Keypair
from kilonova.model.quota import ComputeQuota, ComputeUsage
from kilonova.model.server import Action, Server, ServerFilter
from kilonova.model.server_address import ServerAddress
from kilonova.model.usage import Period
from kilonova.model.volume_link import VolumeLink

Told = TypeVar("Told")


class ServerBook(Protocol):
    """The servers. `project_id` None looks in all projects; a server of another project is NotFound."""

    def get(self, server_id: str, project_id: str | None) -> Server: ...

    def whatever(self, server_id: str) -> Server | None:
        """Also one that is gone; None when there never was one."""
        ...

    def find(self, wanted: ServerFilter) -> Sequence[Server]:
        """Raises BadRequest for an unknown marker or sort key."""
        ...

    def active_in(self, period: Period, project_id: str | None, marker: str | None, limit: int) -> Sequence[Server]:
        """Those that ran at any time within the period, also when they are gone. Raises BadRequest for an unknown marker."""
        ...

    def security_groups_of(self, server_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Server id → the names of its ports' groups."""
        ...

    def volumes_of(self, server_ids: Sequence[str]) -> Mapping[str, Sequence[tuple[str, bool]]]:
        """Server id → (volume id, whether it goes with the server) of what is attached."""
        ...

    def volume_links(self, server_id: str) -> Sequence[VolumeLink]:
        """What is attached to it, also what is on its way, the devices in order."""
        ...

    def pin_zone(self, server_id: str, zone: str | None, now: float) -> None:
        """The zone it is bound to when it moves; None is any."""
        ...

    def set_disk_config(self, server_id: str, disk_config: str, now: float) -> None: ...

    def rename(self, server_id: str, *, name: str | None, description: str | None, hostname: str | None, now: float) -> None:
        """None leaves a value as it is; an empty description clears it."""
        ...

    def set_access(self, server_id: str, *, ipv4: str | None, ipv6: str | None, now: float) -> None:
        """What the server is reached by, as its owner says. None leaves a value as it is; an empty one clears it."""
        ...

    def set_locked(self, server_id: str, locked: bool, reason: str | None, now: float, by: str = "owner") -> None:
        """A locked server obeys admins only."""
        ...

    def set_metadata(self, server_id: str, metadata: dict[str, str], now: float) -> None: ...

    def set_tags(self, server_id: str, tags: Sequence[str], now: float) -> None: ...

    def actions(self, server_id: str) -> Sequence[Action]:
        """Newest first, each with its events."""
        ...

    def addresses(self, server_ids: Sequence[str]) -> Mapping[str, Sequence[ServerAddress]]:
        """Server id → its addresses, in the order of its NICs."""
        ...


class FlavorBook(Protocol):
    def get(self, flavor_id: str, caller: Caller) -> Flavor:
        """By id. A private flavor that the caller's project has no access to is NotFound."""
        ...

    def find(self, wanted: FlavorFilter) -> Sequence[Flavor]:
        """Raises BadRequest for an unknown marker."""
        ...

    def create(self, flavor: Flavor, now: float) -> Flavor:
        """Raises Conflict when the id or the name is taken."""
        ...

    def describe(self, flavor_id: str, description: str | None) -> None: ...

    def set_extra_specs(self, flavor_id: str, extra_specs: Mapping[str, str]) -> None:
        """All of them at once."""
        ...

    def delete(self, flavor_id: str) -> None: ...

    def projects(self, flavor_id: str) -> Sequence[str]:
        """Those with access to a private flavor."""
        ...

    def give_access(self, flavor_id: str, project_id: str) -> None:
        """Raises Conflict when the project has it already."""
        ...

    def take_access(self, flavor_id: str, project_id: str) -> None:
        """Raises NotFound when the project has none."""
        ...


class KeypairBook(Protocol):
    """Each raises NotFound for a key pair that the user does not have."""

    def get(self, user_id: str, name: str) -> Keypair: ...

    def find(self, user_id: str, marker: str | None = None, limit: int = 1000) -> Sequence[Keypair]:
        """By name. Raises BadRequest for an unknown marker."""
        ...

    def count(self, user_id: str) -> int: ...

    def create(self, new: Keypair) -> Keypair:
        """`new.id` is ignored. Raises Conflict when the user has one of that name."""
        ...

    def delete(self, user_id: str, name: str) -> None: ...


class HostBook(Protocol):
    def hosts(self) -> Sequence[Host]: ...

    def roles(self) -> Sequence[Role]: ...

    def set_enabled(self, service_id: str, enabled: bool, reason: str | None) -> Role:
        """Raises NotFound."""
        ...

    def set_forced_down(self, service_id: str, forced_down: bool) -> Role:
        """Whatever its node says. Raises NotFound."""
        ...

    def forget(self, service_id: str, now: float) -> None:
        """A host that is gone for good. Raises NotFound; Conflict while it answers or has servers."""
        ...


class QuotaBook(Protocol):
    def limits(self, project_id: str) -> ComputeQuota: ...

    def limits_of_user(self, project_id: str, user_id: str) -> ComputeQuota | None:
        """None when the user has none of its own."""
        ...

    def change_of_user(self, project_id: str, user_id: str, changes: Mapping[str, int]) -> ComputeQuota: ...

    def forget_user(self, project_id: str, user_id: str) -> None: ...

    def usage(self, project_id: str, user_id: str | None = None) -> ComputeUsage:
        """Of the whole project, or of one user in it."""
        ...

    def change(self, project_id: str, changes: Mapping[str, int]) -> ComputeQuota: ...

    def forget(self, project_id: str) -> None:
        """Back to the defaults."""
        ...

    def of_class(self, name: str) -> ComputeQuota:
        """The class ``default`` has the limits of all projects without their own."""
        ...

    def change_class(self, name: str, changes: Mapping[str, int]) -> ComputeQuota: ...


class ComputeBooks(Protocol):
    @property
    def server_groups(self) -> ServerGroupBook: ...

    @property
    def aggregates(self) -> AggregateBook: ...

    @property
    def migrations(self) -> MigrationBook: ...

    @property
    def servers(self) -> ServerBook: ...

    @property
    def flavors(self) -> FlavorBook: ...

    @property
    def keypairs(self) -> KeypairBook: ...

    @property
    def hosts(self) -> HostBook: ...

    @property
    def quotas(self) -> QuotaBook: ...


class ServerDesk(Protocol):
    """The multi-step work: the API hands it over and answers."""

    async def order(self, wish: Wish) -> Ordered:
        """Steps 2 to 4. Raises BadRequest, Forbidden, QuotaExceeded, Conflict; then nothing was changed."""
        ...

    async def delete(self, server_id: str, caller: Caller, request_id: str) -> None:
        """Order its end; works in every state. Raises NotFound."""
        ...

    async def act(self, server_id: str, caller: Caller, order: Callable[[Server, OrderWorld], Told]) -> Told:
        """One transaction: `order` (of `lifecycle/`) writes what is to be done. Raises NotFound, and what it raises."""
        ...

    def let_go_of(self, books: Any, server_id: str, port_id: str) -> None:
        """Within the transaction that `books` is: a server's port is about to be deleted, and its guest is to let go of it."""
        ...

    async def diagnostics(self, server: Server) -> Diagnostics:
        """How its guest does. Raises Conflict when it does not run, Unavailable when its host does not answer."""
        ...

    async def console_output(self, server: Server, lines: int | None) -> str:
        """What the guest wrote to its serial console. Raises Conflict without a host, Unavailable when that does not answer."""
        ...
