"""A new volume, on control: what it is made of, is there room, which node keeps it. One transaction, one order."""

from msgspec import Struct, structs

from kilonova.errors import BadRequest, KilonovaError, NotFound
from kilonova.lifecycle.volume_books import VolumeWorld
from kilonova.lifecycle.volume_tell import tell
from kilonova.lifecycle.volume_work import VolumeOrder
from kilonova.model.caller import Caller
from kilonova.model.ids import NodeName, new_uuid
from kilonova.model.image import BootImage
from kilonova.model.images import Image, Viewer, boot_image
from kilonova.model.volume import BACKEND, Snapshot, Volume, VolumeType
from kilonova.model.volume_rules import BIGGEST, gib_for, refuse_not, refuse_not_snapshot, refuse_small_for_image
from kilonova.model.volume_wish import NewVolume

CAPABILITIES = {
    "volume_backend_name": BACKEND,
    "storage_protocol": "nbd",
    "vendor_name": "Open Source",
    "multiattach": "<is> False",
}
"""What every volume node can do. A volume type whose extra specs ask for anything else finds no node."""


NO_NODE = "schedule allocate volume: Could not find any available weighted backend."


class Source(Struct, frozen=True, kw_only=True):
    """What a volume begins with; nothing of it: blank."""

    size_gb: int = 0
    """It cannot be smaller."""
    image: BootImage | None = None
    image_metadata: dict[str, str] | None = None
    snapshot_id: str | None = None
    snapshot_of: str | None = None
    """The volume that the snapshot was taken of."""
    volume_id: str | None = None
    node: str | None = None
    type_id: str | None = None
    bootable: bool = False


def create_volume(wish: NewVolume, caller: Caller, world: VolumeWorld) -> Volume:
    """The volume, ``creating``. With no node for it, it is in ``error`` right after, and a message says why.

    Raises BadRequest, NotFound, TooLarge when the quota is used up.
    """
    if not caller.project_id:
        raise BadRequest("Invalid input received: a volume belongs to a project, and this token is for none.")
    source = _source(wish, caller, world)
    size, kind = _admit(wish, source, caller, world)
    node = choose_node(kind, source.node, world)
    volume = Volume(
        id=new_uuid(),
        project_id=caller.project_id,
        user_id=caller.user_id,
        size_gb=size,
        status="creating" if node else "error",
        volume_type_id=kind.id,
        availability_zone=world.terms.zone,
        created_at=world.now,
        name=wish.name,
        description=wish.description,
        node=node,
        bootable=source.bootable,
        snapshot_id=source.snapshot_id,
        source_volid=source.volume_id,
        metadata=wish.metadata,
        image_metadata=source.image_metadata,
        work_id=new_uuid() if node else None,
    )
    world.books.volumes.volumes.add(volume)
    if node is None:
        tell(volume.project_id, "volume", volume.id, NO_NODE, world)
    else:
        _order(volume, source, world)
    return structs.replace(volume, status="creating")


def _admit(wish: NewVolume, source: Source, caller: Caller, world: VolumeWorld) -> tuple[int, VolumeType]:
    """Its size in GiB and its type, counted into the quotas. Raises BadRequest, NotFound, TooLarge."""
    size = wish.size_gb if wish.size_gb is not None else source.size_gb
    _check_size(size, source)
    kind = _type(wish, source, caller, world)
    if wish.availability_zone not in (None, "", world.terms.zone):
        raise BadRequest(f"Invalid input received: Availability zone '{str(wish.availability_zone)[:64]}' is invalid.")
    quotas, project = world.books.volumes.quotas, caller.project_id or ""
    quotas.refuse_too_big(project, size)
    quotas.make_room(project, kind.name, volumes=1, gigabytes=size)
    return size, kind


def choose_node(kind: VolumeType, wanted: str | None, world: VolumeWorld) -> str | None:
    """The node that keeps a volume of this type: `wanted` where it must be that one, else the emptiest. None: there is none."""
    if not _can(kind):
        return None
    book = world.books.volumes
    names = [node.name for node in book.nodes.all(world.now) if node.up and node.enabled]
    if wanted is not None:
        return wanted if wanted in names else None
    use = book.volumes.use_of_nodes()
    return min(names, key=lambda name: sum(gib for _, gib in use.get(name, {}).values()), default=None)


def _can(kind: VolumeType) -> bool:
    """Specs with a scope other than ``capabilities`` are for drivers, and not asked of nodes."""
    for name, value in kind.extra_specs.items():
        scope, _, plain = name.rpartition(":")
        if scope in ("", "capabilities") and CAPABILITIES.get(plain) != value:
            return False
    return True


def _order(volume: Volume, source: Source, world: VolumeWorld) -> None:
    node, terms = NodeName(volume.node or ""), world.terms
    world.books.orders.queue_volume(
        VolumeOrder(
            work_id=volume.work_id or "",
            work="create",
            volume_id=volume.id,
            node=node,
            size_gb=volume.size_gb,
            deadline=terms.deadline,
            ordered_at=terms.now,
            image=source.image,
            image_ticket=terms.ticket(source.image.id, node, terms.deadline) if source.image else "",
            source_volume_id=source.volume_id or source.snapshot_of or "",
            source_snapshot_id=source.snapshot_id or "",
        )
    )


def _check_size(size: int, source: Source) -> None:
    if not 0 < size <= BIGGEST:
        raise BadRequest(f"Invalid input received: Volume size '{size}' must be an integer and greater than 0")
    if source.image is not None:
        refuse_small_for_image(size, source.image)
    elif size < source.size_gb:
        what = "snapshot" if source.snapshot_id else "original volume"
        raise BadRequest(f"Invalid input received: Volume size '{size}'GB cannot be smaller than {what} size {source.size_gb}GB.")


def _type(wish: NewVolume, source: Source, caller: Caller, world: VolumeWorld) -> VolumeType:
    types = world.books.volumes.types
    if wish.volume_type:
        return types.named(wish.volume_type, caller)
    return types.get(source.type_id) if source.type_id else types.ensure_default(world.now)


def _source(wish: NewVolume, caller: Caller, world: VolumeWorld) -> Source:
    given = [one for one in (wish.image_id, wish.snapshot_id, wish.source_volid) if one]
    if len(given) > 1:
        raise BadRequest("May specify only one of snapshot, imageRef or source volume")
    if wish.snapshot_id:
        return _from_snapshot(world.books.volumes.snapshots.get(wish.snapshot_id, caller), world)
    if wish.source_volid:
        return _from_volume(world.books.volumes.volumes.get(wish.source_volid, caller))
    if wish.image_id:
        return _from_image(wish.image_id, caller, world)
    return Source()


def _from_snapshot(snapshot: Snapshot, world: VolumeWorld) -> Source:
    refuse_not_snapshot(snapshot, ("available",), "make a volume of it")
    volume = world.books.volumes.volumes.get(snapshot.volume_id)
    return Source(
        size_gb=snapshot.size_gb,
        snapshot_id=snapshot.id,
        snapshot_of=volume.id,
        node=volume.node,
        type_id=volume.volume_type_id,
        bootable=volume.bootable,
        image_metadata=dict(volume.image_metadata) if volume.image_metadata is not None else None,
    )


def _from_volume(volume: Volume) -> Source:
    refuse_not(volume.status, ("available", "in-use"), "copy it")
    return Source(
        size_gb=volume.size_gb,
        volume_id=volume.id,
        node=volume.node,
        type_id=volume.volume_type_id,
        bootable=volume.bootable,
        image_metadata=dict(volume.image_metadata) if volume.image_metadata is not None else None,
    )


def _from_image(image_id: str, caller: Caller, world: VolumeWorld) -> Source:
    try:
        image = world.books.images.get(image_id, Viewer(project_id=caller.project_id, is_admin=caller.is_admin))
    except NotFound:
        raise BadRequest("Invalid image identifier or unable to access requested image.") from None
    try:
        bytes_of = boot_image(image)
    except KilonovaError as unfit:
        raise BadRequest(f"Invalid input received: {unfit}") from None
    kind = image.properties.get("cinder_img_volume_type") or None
    type_id = world.books.volumes.types.named(kind, caller).id if kind else None
    return Source(size_gb=gib_for(bytes_of), image=bytes_of, image_metadata=_told(image), type_id=type_id, bootable=True)


def _told(image: Image) -> dict[str, str]:
    """What the volume remembers of its image, as Cinder shows it: all of it text."""
    content = image.content
    known = {
        "image_id": image.id,
        "image_name": image.name or "",
        "checksum": content.md5 if content else "",
        "container_format": image.container_format or "",
        "disk_format": image.disk_format or "",
        "min_disk": str(image.min_disk),
        "min_ram": str(image.min_ram),
        "size": str(content.size if content else 0),
    }
    return {**image.properties, **known}
