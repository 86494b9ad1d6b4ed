"""The same server, with its addresses and volumes, on a new disk made from an image.

The new disk is made beside the old one while the guest still runs: what fails until then changes nothing. The old one is kept
until the guest runs from the new one; only then it is gone for good.
"""

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from kilonova.build.admit import OrderWorld, refuse_unfit_image
from kilonova.build.needs import ComputeWorld
from kilonova.build.record import Placed
from kilonova.build.report import TaskDone, TaskFailed
from kilonova.errors import BadRequest, NotFound, QuotaExceeded
from kilonova.lifecycle.running import PATIENCE_S, end_guest, power_off, run_again, run_guest
from kilonova.lifecycle.task import Asked, Asking, ServerAction, as_it_is, back_or_error, order_task, report_done
from kilonova.model import server as states
from kilonova.model.caller import Caller
from kilonova.model.image import BootImage
from kilonova.model.images import Viewer
from kilonova.model.keypair import Keypair
from kilonova.model.server import Server
from kilonova.saga import Saga


class RebuildWish(Struct, frozen=True, kw_only=True):
    """What a client asks for; what it says nothing of stays. `key_name` and `user_data` None: the server has none any more."""

    image_id: str
    admin_password: str
    name: str | UnsetType = UNSET
    hostname: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    metadata: dict[str, str] | UnsetType = UNSET
    key_name: str | UnsetType | None = UNSET
    user_data: str | UnsetType | None = UNSET
    personality: tuple[tuple[str, str], ...] | UnsetType = UNSET
    access_ipv4: str | UnsetType = UNSET
    access_ipv6: str | UnsetType = UNSET
    disk_config: str | UnsetType = UNSET
    preserve_ephemeral: bool = False


class Rebuild(Asked, frozen=True, kw_only=True):
    """The server as it is to be; `before` as it was."""

    old_description: str | None = None
    old_disk_config: str | None = None
    old_access: tuple[str, str] | None = None
    """IPv4 and IPv6. None here, and above, when nobody asked for another."""
    preserve_ephemeral: bool = False


def order_rebuild(server: Server, asking: Asking, world: OrderWorld, *, wish: RebuildWish) -> None:
    """On control. What the server says of itself changes at once. Raises BadRequest, QuotaExceeded, Conflict."""
    image = _image(server, wish.image_id, asking.caller, world)
    limit = world.books.quotas.limits(server.project_id).metadata_items
    if wish.metadata is not UNSET and 0 <= limit < len(wish.metadata):
        raise QuotaExceeded(f"Quota exceeded for metadata_items: at most {limit} are allowed.")
    before = as_it_is(server, world)
    if before.image is None and server.image_id is None:
        raise BadRequest("Unable to rebuild with a different image for a volume-backed server.")
    changes = _changes(wish)
    if wish.key_name is not UNSET:
        changes |= _key(server, wish.key_name, world)
    addresses = {n: v for n, v in (("ipv4", wish.access_ipv4), ("ipv6", wish.access_ipv6)) if v is not UNSET}
    task = order_task(
        server,
        asking,
        Rebuild,
        "rebuilding",
        world,
        before=before,
        image=image,
        image_ticket=world.desk.ticket(image.id, before.host, before.deadline),
        admin_password=wish.admin_password,
        preserve_ephemeral=wish.preserve_ephemeral,
        old_description=server.description,
        old_disk_config=server.disk_config if wish.disk_config is not UNSET else None,
        old_access=(server.access_ipv4, server.access_ipv6) if addresses else None,
        **changes,
    )
    described = server.description if wish.description is UNSET else wish.description
    world.books.servers.becomes(task, described, world.desk.now)
    if wish.disk_config is not UNSET:
        world.books.servers.set_disk_config(server.id, wish.disk_config, world.desk.now)
    if addresses:
        world.books.servers.set_access(server.id, **{"ipv4": None, "ipv6": None, **addresses}, now=world.desk.now)


async def make_new_disks(rebuild: Rebuild, world: ComputeWorld) -> Rebuild:
    """The image is fetched and the new disks are made, beside those in use."""

    def progress(what: str, share: float) -> None:
        world.live(rebuild.server_id, what, share)

    await world.disks(rebuild.host).assemble_beside(rebuild, progress, rebuild.preserve_ephemeral)
    return rebuild


async def drop_new_disks(asked: Placed, world: ComputeWorld) -> None:
    """As an undo: as if they had never been made."""
    await world.disks(asked.host).drop_spare(asked.server_id, kept=False)


async def end_old_guest(rebuild: Rebuild, world: ComputeWorld) -> Rebuild:
    """What it had in memory is not asked for; only volumes, which stay, are worth an orderly end."""
    await power_off(rebuild, world, PATIENCE_S if rebuild.volumes else 0.0)
    return rebuild


async def use_new_disks(rebuild: Rebuild, world: ComputeWorld) -> Rebuild:
    """The new disks take the place of the old ones, which are kept."""
    await world.disks(rebuild.host).swap_in(rebuild.server_id)
    return rebuild


async def use_old_disks(asked: Placed, world: ComputeWorld) -> None:
    """As an undo: the old disks are in use again."""
    await world.disks(asked.host).swap_back(asked.server_id)


async def start_rebuilt(rebuild: Rebuild, world: ComputeWorld) -> Rebuild:
    """The guest starts from its new disk, unless the server was off."""
    if rebuild.was_vm_state != states.STOPPED:
        await run_guest(rebuild, world)
    return rebuild


async def finish_rebuild(rebuild: Rebuild, world: ComputeWorld) -> Rebuild:
    """The old disks go; the node's last word."""
    await world.disks(rebuild.host).drop_spare(rebuild.server_id, kept=True)
    return await report_done(rebuild, world)


def note_rebuilt(rebuild: Rebuild, report: TaskDone, world: OrderWorld) -> None:
    """On control: ACTIVE, or off as it was; later actions start from what it is now."""
    servers = world.books.servers
    servers.set_record(rebuild)
    if rebuild.was_vm_state == states.STOPPED:
        servers.power_is(rebuild.server_id, states.STOPPED, states.POWER_SHUTDOWN, report.at)
    else:
        servers.runs(rebuild.server_id, report.at)


def note_not_rebuilt(rebuild: Rebuild, report: TaskFailed, world: OrderWorld) -> None:
    """On control: it says of itself what it said before."""
    if rebuild.before is not None:
        world.books.servers.becomes(rebuild.before, rebuild.old_description, world.desk.now)
    if rebuild.old_disk_config is not None:
        world.books.servers.set_disk_config(rebuild.server_id, rebuild.old_disk_config, world.desk.now)
    if rebuild.old_access is not None:
        ipv4, ipv6 = rebuild.old_access
        world.books.servers.set_access(rebuild.server_id, ipv4=ipv4, ipv6=ipv6, now=world.desk.now)
    back_or_error(rebuild, report, world)


def _image(server: Server, image_id: str, caller: Caller, world: OrderWorld) -> BootImage:
    viewer = Viewer(project_id=caller.project_id, is_admin=caller.is_admin)
    try:
        image = world.books.images.for_boot(image_id, viewer)
    except NotFound:
        raise BadRequest("Cannot find image for rebuild") from None
    refuse_unfit_image(image, server.flavor)
    return image


def _changes(wish: RebuildWish) -> dict[str, Any]:
    """The fields of a record that are said to be others."""
    said = {
        "name": wish.name,
        "hostname": wish.hostname,
        "metadata": wish.metadata,
        "user_data": wish.user_data,
        "personality": wish.personality,
    }
    return {name: value for name, value in said.items() if value is not UNSET}


def _key(server: Server, name: str | None, world: OrderWorld) -> dict[str, Any]:
    """The fields of a record that say which key it is."""
    key: Keypair | None = None
    if name is not None:
        try:
            key = world.books.keypairs.get(server.user_id, name)
        except NotFound:
            raise BadRequest("Invalid key_name provided.") from None
    return {
        "key_name": key.name if key else None,
        "public_key": key.public_key if key else None,
        "key_type": key.type if key else "ssh",
    }


REBUILD = (
    Saga.starting_with(Rebuild, ComputeWorld, name="rebuild", at="compute")
    .then(make_new_disks, undo=drop_new_disks)
    .then(end_old_guest, undo=run_again)
    .then(use_new_disks, undo=use_old_disks)
    .then(start_rebuilt, undo=end_guest)
    .then(finish_rebuild)
)

REBUILDS = {"rebuild": ServerAction(REBUILD, note_rebuilt, note_not_rebuilt)}
