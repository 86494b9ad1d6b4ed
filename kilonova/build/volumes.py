"""Step 4, for servers with volumes: they are reserved, or ordered to be made, in the transaction that orders the server."""

from kilonova.build.admit import OrderDesk, OrderWorld
from kilonova.build.wish import BlockDevice, Wish
from kilonova.model.volume_link import VolumeLink
from kilonova.model.volume_wish import AttachWish, BootVolume, VolumeTerms


def reserve_volumes(wish: Wish, server_id: str, world: OrderWorld) -> tuple[VolumeLink, ...]:
    """Every volume of the request is this server's from now on. Raises BadRequest, NotFound, QuotaExceeded, Conflict."""
    books, desk = world.books, world.desk
    for device in wish.block_devices:
        made = device.source != "volume"
        volume_id = _made(device, wish, world) if made else device.source_id
        books.volumes.reserve(_asked(device, volume_id, server_id, device.delete_on_termination), wish.caller, desk.now)
    return books.volumes.links_of_server(server_id)


def try_volumes(wish: Wish, server_id: str, world: OrderWorld) -> None:
    """For a server that has no host: nothing is made, and those that are there are reserved and given back. Raises the same."""
    books, now = world.books, world.desk.now
    for device in wish.block_devices:
        if device.source == "volume":
            books.volumes.reserve(_asked(device, device.source_id, server_id, False), wish.caller, now)
    books.volumes.release_server(server_id, now)


def volume_terms(desk: OrderDesk) -> VolumeTerms:
    """On which terms an order of a server has volumes made, and the end of work on them is noted."""
    return VolumeTerms(now=desk.now, ticket=desk.ticket, limit_s=desk.volume_limit_s)


def _asked(device: BlockDevice, volume_id: str, server_id: str, goes: bool) -> AttachWish:
    return AttachWish(
        volume_id=volume_id,
        server_id=server_id,
        device=device.device,
        delete_on_termination=goes,
        tag=device.tag,
        boot_index=device.boot_index,
        needs_bootable=device.boot_index == 0 and device.source != "blank",
    )


def _made(device: BlockDevice, wish: Wish, world: OrderWorld) -> str:
    """The id of the new volume; its making is ordered."""
    assert device.source != "volume"
    boot = BootVolume(
        source=device.source,
        source_id=device.source_id,
        size_gb=device.size_gb,
        volume_type=device.volume_type,
    )
    return world.books.volumes.for_boot(boot, wish.caller, volume_terms(world.desk))
