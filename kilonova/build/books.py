"""What steps 2 to 4 and 9 ask of the ledger, inside one transaction. The real books stand in `ledger/`."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from kilonova.build.record import Placed, Requested
from kilonova.build.volume_books import Volumes
from kilonova.model.caller import Caller
from kilonova.model.flavor import Flavor
from kilonova.model.guest import HostFacts
from kilonova.model.host import Host
from kilonova.model.ids import ImageId, NodeName
from kilonova.model.image import BootImage
from kilonova.model.images import Viewer
from kilonova.model.keypair import Keypair
from kilonova.model.migration import Migration, MigrationFilter
from kilonova.model.port import Port
from kilonova.model.quota import ComputeQuota, ComputeUsage
from kilonova.model.server import Fault, Server
from kilonova.model.server_group import ServerGroup
from kilonova.model.snapshots import Snapshot
from kilonova.model.span import Span

Form = TypeVar("Form", bound=Struct)


class Flavors(Protocol):
    def get(self, flavor_id: str, caller: Caller) -> Flavor: ...


class Images(Protocol):
    def for_boot(self, image_id: str, viewer: Viewer) -> BootImage:
        """Raises NotFound, or BadRequest when it cannot be booted."""
        ...

    def begin_snapshot(self, snapshot: Snapshot, now: float) -> ImageId:
        """A queued image that waits for a host to send it; its id. Raises TooLarge for more properties than an image may have."""
        ...

    def fail_snapshot(self, image_id: str, now: float) -> bool:
        """It will get no bytes: its record goes. False when it has its bytes, or is gone."""
        ...

    def fail_snapshots_of(self, server_id: str, now: float) -> None:
        """The server goes: whatever image of it waits for its bytes gets none."""
        ...

    def rotate_backups(self, server_id: str, backup_type: str, rotation: int, now: float) -> None:
        """Only so many of the server's backups of this type stay, the newest."""
        ...


class Keypairs(Protocol):
    def get(self, user_id: str, name: str) -> Keypair: ...


class Quotas(Protocol):
    def limits(self, project_id: str) -> ComputeQuota: ...

    def limits_of_user(self, project_id: str, user_id: str) -> ComputeQuota | None:
        """None when the user has none of its own."""
        ...

    def usage(self, project_id: str, user_id: str | None = None) -> ComputeUsage:
        """Of the whole project, or of one user in it."""
        ...


class Hosts(Protocol):
    def snapshot(self, now: float) -> Sequence[Host]:
        """Every host with what is claimed on it, as this transaction sees it."""
        ...

    def claim(self, host: str, server_id: str, flavor: Flavor) -> None: ...

    def free(self, server_id: str) -> None:
        """Give back what the server claimed; nothing claimed is no error."""
        ...

    def has_claim(self, server_id: str) -> bool: ...

    def is_up(self, host: str, now: float) -> bool: ...

    def heard_of(self, node: str, role: str, now: float) -> None: ...

    def measured(self, node: str, facts: HostFacts, now: float) -> None: ...

    def network_node(self, now: float) -> NodeName | None:
        """A network node that was heard of lately."""
        ...

    def any_network_node(self) -> NodeName | None:
        """One that was ever heard of: what lies in its queue is done when it is back."""
        ...

    def volume_node(self, now: float) -> NodeName | None:
        """A volume node that was heard of lately."""
        ...


class Networks(Protocol):
    def networks_for_auto(self, project_id: str) -> Sequence[tuple[str, str]]: ...

    def make_server_port(  # noqa: PLR0913 - one port, all of it by name
        self,
        *,
        project_id: str,
        server_id: str,
        network_id: str,
        fixed_ip: str | None,
        host: str,
        security_groups: Sequence[str],
        now: float,
    ) -> Port: ...

    def bind_server_port(self, *, port_id: str, project_id: str | None, server_id: str, host: str, now: float) -> Port: ...

    def server_ports_of(self, server_id: str) -> tuple[Port, ...]: ...

    def move_server_ports(self, server_id: str, host: str, now: float) -> None:
        """The server was given another host; its addresses stay."""
        ...

    def release_server_ports(self, server_id: str) -> None: ...

    def release_server_port(self, server_id: str, port_id: str) -> None:
        """One of them; not the server's is no error."""
        ...

    def set_server_ports_status(self, server_id: str, status: str, now: float) -> int:
        """How many had another one."""
        ...


class Servers(Protocol):
    def by_idempotency_key(self, project_id: str, key: str) -> Sequence[str]: ...

    def insert(self, request: Requested, extra: Mapping[str, Any], fault: Fault | None) -> None:
        """A new row: BUILD, or ERROR with a fault."""
        ...

    def place(self, placed: Placed) -> None:
        """Where it is being built now, and until when."""
        ...

    def of_attempt(self, server_id: str, attempt: int) -> Server | None:
        """The server if this attempt is its current one and it is not deleted, else None."""
        ...

    def record(self, server_id: str) -> Placed | None:
        """The order it was built by, or what an action has put in its place; None when it never had a host."""
        ...

    def set_record(self, placed: Placed) -> None:
        """From now on actions start from this: after a rebuild or a resize."""
        ...

    def becomes(self, placed: Placed, description: str | None, now: float) -> None:
        """What the server shows of itself from now on: names, image, key, user data and metadata."""
        ...

    def set_flavor(self, server_id: str, flavor: Flavor, other: Flavor | None, now: float) -> None:
        """Its size, and the other one it may get or go back to; the larger of both counts against the quota."""
        ...

    def set_access(self, server_id: str, *, ipv4: str | None, ipv6: str | None, now: float) -> None:
        """None leaves a value as it is; an empty one clears it."""
        ...

    def set_disk_config(self, server_id: str, disk_config: str, now: float) -> None:
        """``AUTO`` or ``MANUAL``: shown, and without effect on its disks."""
        ...

    def set_task(self, server_id: str, task_state: str | None, now: float) -> None: ...

    def runs(self, server_id: str, now: float) -> None: ...

    def fails(self, server_id: str, fault: Fault) -> None: ...

    def gone(self, server_id: str, now: float) -> None: ...

    def whatever(self, server_id: str) -> Server | None:
        """The server, also when it is deleted; None when there never was one."""
        ...

    def on_host(self, host: str) -> Sequence[Server]:
        """Every server, not deleted, that was placed on this host."""
        ...

    def power_is(self, server_id: str, vm_state: str, power_state: int, now: float) -> None: ...

    def deleting(self, server_id: str, now: float) -> None: ...

    def is_deleting(self, server_id: str) -> bool: ...

    def attempt(self, server_id: str) -> int:
        """Its newest attempt, 0 when it never had a host."""
        ...


class Orders(Protocol):
    """What lies, or will lie, in the nodes' queues; and the news."""

    def queue_build(self, placed: Placed, traceparent: str) -> None: ...

    def queue_removal(self, server: Server, attempt: int, node: str, reason: str) -> None:
        """The node is to take away whatever it has of this server, in whatever state."""
        ...

    def answered(self, server_id: str, attempt: int) -> None:
        """The node has given its last word on this build: the order is done with."""
        ...

    def removed(self, server_id: str, attempt: int) -> None:
        """The node has taken everything away: the removal is done with."""
        ...

    def placed(self, server_id: str) -> Placed | None:
        """The build order that is under way."""
        ...

    def queue_task(self, task: Placed) -> None:
        """A later action on a server; its class names it."""
        ...

    def task(self, task_id: str, kinds: Mapping[str, Any]) -> tuple[str, Any] | None:
        """(saga's name, order) of an action that is under way, None when it is over. `kinds` by name, each with its `saga`."""
        ...

    def tasks_of(self, server_id: str, form: type[Form]) -> list[Form]:
        """The actions that are under way for a server, as far as `form` has fields for it."""
        ...

    def task_over(self, task_id: str) -> None: ...

    def open_servers(self) -> set[str]:
        """Servers that an order of any kind is under way for."""
        ...

    def sent(self, order_ids: Sequence[str], news_ids: Sequence[int], now: float) -> None:
        """The broker has them, as far as anybody knows: orders are sent again when nobody has answered for long."""
        ...

    def no_more_tasks(self, server_id: str) -> None:
        """The server goes: whatever else was asked for it is not waited for any more."""
        ...

    def announce(self, event: str, server_id: str, payload: Mapping[str, Any]) -> None: ...


class Actions(Protocol):
    """One row for each thing asked of a server: what os-instance-actions and `kilonova trace` show."""

    def begin(self, request: Requested, action: str, spans: Sequence[Span], traceparent: str) -> None: ...

    def begin_plain(self, server: Server, action: str, request_id: str, user_id: str, now: float) -> None: ...

    def carried(self, server_id: str, attempt: int, spans: Sequence[Span], request_id: str = "") -> None:
        """The hops of the newest action, or of the one of a request."""
        ...

    def end(self, server_id: str, message: str | None, now: float, request_id: str = "") -> None:
        """The newest action, or the one of a request, is over; `message` says what went wrong."""
        ...

    def cut_short(self, server_id: str, message: str, now: float) -> None:
        """Whatever is under way, but for its deletion, is over: `message` says why."""
        ...

    def deleted(self, server_id: str, now: float) -> None:
        """Its deletion is over, however often it was asked for."""
        ...


class Migrations(Protocol):
    """The moves of servers, as os-migrations shows them."""

    def begin(self, server: Server, kind: str, dest_host: str | None, new_flavor: str | None, now: float) -> Migration: ...

    def set_status(self, migration_id: int, status: str, now: float) -> None: ...

    def find(self, wanted: MigrationFilter) -> Sequence[Migration]: ...

    def cut_short(self, server_id: str, now: float) -> None:
        """The server goes: a move that is under way has failed, and one that waits for its owner's word is confirmed."""
        ...


class ServerGroups(Protocol):
    def get(self, group_id: str, project_id: str | None) -> ServerGroup: ...

    def join(self, group_id: str, server_id: str) -> None: ...

    def hosts(self, group_id: str, apart_from: str = "") -> Mapping[str, int]:
        """Host → how many of the group's servers are there, `apart_from` not counted."""
        ...

    def members_of_user(self, group_id: str, user_id: str) -> int: ...

    def hosts_of(self, server_ids: Sequence[str], project_id: str | None) -> frozenset[str]:
        """Where these servers are."""
        ...


class Books(Protocol):
    """One transaction."""

    @property
    def flavors(self) -> Flavors: ...

    @property
    def images(self) -> Images: ...

    @property
    def keypairs(self) -> Keypairs: ...

    @property
    def quotas(self) -> Quotas: ...

    @property
    def hosts(self) -> Hosts: ...

    @property
    def networks(self) -> Networks: ...

    @property
    def volumes(self) -> Volumes: ...

    @property
    def servers(self) -> Servers: ...

    @property
    def orders(self) -> Orders: ...

    @property
    def actions(self) -> Actions: ...

    @property
    def migrations(self) -> Migrations: ...

    @property
    def server_groups(self) -> ServerGroups: ...
