"""Steps 1 and 2, on control: read the request; may they, and is there room?

Everything here runs inside the one order transaction: what it finds out stays true until the order is written.
"""

import secrets
from collections.abc import Callable

from msgspec import Struct

from kilonova.build.books import Books
from kilonova.build.company import check_group
from kilonova.build.record import Requested
from kilonova.build.wish import NicWish, Wish
from kilonova.errors import BadRequest, Conflict, Forbidden, NotFound
from kilonova.model.flavor import Flavor
from kilonova.model.hostname import hostname_for
from kilonova.model.ids import ProjectId, ServerId, UserId, new_uuid
from kilonova.model.image import BootImage
from kilonova.model.images import Viewer
from kilonova.model.keypair import Keypair
from kilonova.model.quota import ComputeQuota, refuse, servers_that_fit
from kilonova.scheduler.choose import Ratios


class OrderDesk(Struct, frozen=True, kw_only=True):
    """What an order needs besides the transaction. Times in seconds."""

    now: float
    build_limit_s: float
    ratios: Ratios
    ticket: Callable[[str, str, float], str]
    """(image id, host, good until) → what lets that host fetch that image."""
    send_ticket: Callable[[str, str, float], str]
    """The same for an image that waits for its bytes: what lets that host send them."""
    action_limit_s: float = 600.0
    """For whatever comes after the build."""
    volume_limit_s: float = 600.0
    reservation_limit_s: float = 3600.0
    """How long a client may keep a volume that it has only reserved."""
    resize_confirm_window_s: float = 0.0
    """How long an owner has to decide on a resize; 0: for ever."""


class OrderWorld(Struct, frozen=True):
    """The world of steps 2 to 4: one transaction, and the desk it is written at."""

    books: Books
    desk: OrderDesk


class Sound(Struct, frozen=True, kw_only=True):
    """A wish whose every name was found."""

    wish: Wish
    flavor: Flavor
    image: BootImage | None
    key: Keypair | None
    nics: tuple[NicWish, ...]
    limits: ComputeQuota


class Admitted(Struct, frozen=True, kw_only=True):
    """As many servers as there is room for in the quota."""

    wish: Wish
    nics: tuple[NicWish, ...]
    servers: tuple[Requested, ...]


def check_request(wish: Wish, world: OrderWorld) -> Sound:
    """The flavor, image, key and networks that the client names are there, and fit together."""
    books = world.books
    try:
        flavor = books.flavors.get(wish.flavor_id, wish.caller)
    except NotFound:
        raise BadRequest(f"Flavor {wish.flavor_id} could not be found.") from None
    image = None
    if wish.image_id is not None:
        try:
            viewer = Viewer(project_id=wish.caller.project_id, is_admin=wish.caller.is_admin)
            image = books.images.for_boot(wish.image_id, viewer)
        except NotFound:
            raise BadRequest(f"Can not find requested image {wish.image_id}") from None
        refuse_unfit_image(image, flavor)
    key = None
    if wish.key_name is not None:
        try:
            key = books.keypairs.get(wish.caller.user_id, wish.key_name)
        except NotFound:
            raise BadRequest("Invalid key_name provided.") from None
    if wish.max_count > 1 and any(device.source == "volume" for device in wish.block_devices):
        raise BadRequest("Cannot attach one or more volumes to multiple instances")
    limits = books.quotas.limits(wish.caller.project_id)
    return Sound(wish=wish, flavor=flavor, image=image, key=key, nics=_nics(wish, books), limits=limits)


def check_rights(sound: Sound, world: OrderWorld) -> Sound:
    """What only an admin may ask for; and limits that are not counted in servers."""
    wish, limits = sound.wish, sound.limits
    if wish.host is not None and not wish.caller.is_admin:
        raise Forbidden("Only an admin may name the host of a server.")
    if 0 <= limits.metadata_items < len(wish.metadata):
        raise Forbidden(f"Maximum number of metadata items exceeds {limits.metadata_items}")
    if 0 <= limits.injected_files < len(wish.personality):
        raise Forbidden(f"Personality file limit exceeded: at most {limits.injected_files} files")
    if wish.availability_zone is not None:
        zones = {host.availability_zone for host in world.books.hosts.snapshot(world.desk.now)}
        if wish.availability_zone not in zones:
            raise BadRequest("The requested availability zone is not available")
    return sound


def reserve_quota(sound: Sound, world: OrderWorld) -> Admitted:
    """Counted in this transaction, so two requests never take the same last place."""
    wish, flavor, limits = sound.wish, sound.flavor, sound.limits
    used = world.books.quotas.usage(wish.caller.project_id)
    count = servers_that_fit(limits, used, cores=flavor.vcpus, ram=flavor.ram_mb, wanted=wish.max_count)
    if count < wish.min_count:
        raise refuse(limits, used, cores=flavor.vcpus, ram=flavor.ram_mb, wanted=wish.min_count)
    count = _users_share(sound, world, count)
    if wish.hints:
        check_group(wish, count, limits, world.books)
    reservation = f"r-{secrets.token_hex(4)}"
    servers = tuple(_request(sound, world.desk, reservation, index, count) for index in range(count))
    return Admitted(wish=wish, nics=sound.nics, servers=servers)


def _users_share(sound: Sound, world: OrderWorld, count: int) -> int:
    """How many of `count` the user may have of what the project may have."""
    wish, flavor, quotas = sound.wish, sound.flavor, world.books.quotas
    project, user = wish.caller.project_id, wish.caller.user_id
    limits = quotas.limits_of_user(project, user)
    if limits is None:
        return count
    used = quotas.usage(project, user)
    fits = servers_that_fit(limits, used, cores=flavor.vcpus, ram=flavor.ram_mb, wanted=count)
    if fits < wish.min_count:
        raise refuse(limits, used, cores=flavor.vcpus, ram=flavor.ram_mb, wanted=wish.min_count)
    return fits


def _request(sound: Sound, desk: OrderDesk, reservation: str, index: int, count: int) -> Requested:
    wish, key = sound.wish, sound.key
    name = wish.name if count == 1 and wish.max_count == 1 else f"{wish.name}-{index + 1}"
    server_id = ServerId(new_uuid())
    return Requested(
        server_id=server_id,
        project_id=ProjectId(wish.caller.project_id),
        user_id=UserId(wish.caller.user_id),
        request_id=wish.request_id,
        name=name,
        hostname=hostname_for(wish.hostname or name, server_id),
        flavor=sound.flavor,
        image=sound.image,
        availability_zone=wish.availability_zone,
        only_host=wish.host,
        key_name=key.name if key else None,
        public_key=key.public_key if key else None,
        key_type=key.type if key else "ssh",
        user_data=wish.user_data,
        admin_password=wish.admin_password,
        metadata=wish.metadata,
        personality=wish.personality,
        config_drive=wish.config_drive,
        hints=wish.hints,
        reservation_id=reservation,
        launch_index=index,
        created_at=desk.now,
    )


def refuse_unfit_image(image: BootImage, flavor: Flavor) -> None:
    """Raises BadRequest when the flavor is too small for the image."""
    if flavor.ram_mb < image.min_ram_mb:
        raise BadRequest("Flavor's memory is too small for requested image.")
    if 0 < flavor.disk_gb < image.min_disk_gb or 0 < flavor.disk_gb << 30 < image.virtual_size:
        raise BadRequest("Flavor's disk is too small for requested image.")


def _nics(wish: Wish, books: Books) -> tuple[NicWish, ...]:
    """What the client said; when it said nothing, the one network there is, as Nova does."""
    if wish.networks is not None:
        if wish.max_count > 1 and any(nic.port_id or nic.fixed_ip for nic in wish.networks):
            raise BadRequest("A port or a fixed address cannot be given to several servers at once.")
        return wish.networks
    networks = books.networks.networks_for_auto(wish.caller.project_id)
    if wish.auto_network and not networks:
        raise BadRequest(f"Unable to automatically allocate a network for project {wish.caller.project_id}")
    if len(networks) > 1:
        raise Conflict("Multiple possible networks found, use a Network ID to be more specific.")
    return tuple(NicWish(network_id=network_id) for network_id, _ in networks)
