"""/os-quota-sets, /os-quota-class-sets and /limits: how much storage a project may have, and has."""

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta

from kilonova.api.call import Answer, Call
from kilonova.api.paging import read_flag
from kilonova.api.volume.access import convert, read
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Forbidden

Limit = Annotated[int, Meta(ge=-1, le=2**31 - 1)]
LIMITS_OF_OTHERS = 39
ABSOLUTE: Mapping[str, str] = {
    "maxTotalVolumes": "volumes",
    "maxTotalSnapshots": "snapshots",
    "maxTotalVolumeGigabytes": "gigabytes",
    "maxTotalBackups": "backups",
    "maxTotalBackupGigabytes": "backup_gigabytes",
}
USED: Mapping[str, str] = {
    "totalVolumesUsed": "volumes",
    "totalSnapshotsUsed": "snapshots",
    "totalGigabytesUsed": "gigabytes",
    "totalBackupsUsed": "backups",
    "totalBackupGigabytesUsed": "backup_gigabytes",
}


async def show(call: Call) -> Answer:
    project, usage = _project(call), bool(read_flag(call, "usage"))

    def look(books: Books) -> dict[str, Any]:
        quotas = books.volumes.quotas
        limits = quotas.limits(project)
        if not usage:
            return dict(limits)
        used = quotas.usage(project)
        return {name: {"limit": most, "in_use": used[name], "reserved": 0} for name, most in limits.items()}

    return Answer(200, {"quota_set": {"id": project, **await call.world.ledger.read(look)}})


async def show_defaults(call: Call) -> Answer:
    project = _project(call)
    found = await call.world.ledger.read(lambda books: books.volumes.quotas.defaults())
    return Answer(200, {"quota_set": {"id": project, **found}})


async def update(call: Call) -> Answer:
    project, wanted = call.path["target_id"], _read(call, "quota_set")

    def write(books: Books) -> Mapping[str, int]:
        quotas = books.volumes.quotas
        quotas.change(project, _known(wanted, books))
        return quotas.limits(project)

    return Answer(200, {"quota_set": await call.world.ledger.write(write)})


async def delete(call: Call) -> Answer:
    await call.world.ledger.write(lambda books: books.volumes.quotas.forget(call.path["target_id"]))
    return Answer(200)


async def show_class(call: Call) -> Answer:
    name = call.path["class_name"]
    found = await call.world.ledger.read(lambda books: books.volumes.quotas.defaults(name))
    return Answer(200, {"quota_class_set": {"id": name, **found}})


async def update_class(call: Call) -> Answer:
    name, wanted = call.path["class_name"], _read(call, "quota_class_set")
    if len(name) > 255:
        raise BadRequest("The name of a quota class has at most 255 characters.")

    def write(books: Books) -> Mapping[str, int]:
        quotas = books.volumes.quotas
        quotas.change_class(name, _known(wanted, books))
        return quotas.defaults(name)

    return Answer(200, {"quota_class_set": await call.world.ledger.write(write)})


async def limits(call: Call) -> Answer:
    """An admin may ask for another project's since 3.39."""
    named = call.param("project_id") if call.version[1] >= LIMITS_OF_OTHERS and call.who.is_admin else None
    project = named or call.who.project_id

    def look(books: Books) -> tuple[Mapping[str, int], Mapping[str, int]]:
        return books.volumes.quotas.limits(project), books.volumes.quotas.usage(project)

    most, used = await call.world.ledger.read(look)
    absolute = {name: most[resource] for name, resource in ABSOLUTE.items()}
    absolute |= {name: used[resource] for name, resource in USED.items()}
    return Answer(200, {"limits": {"rate": [], "absolute": absolute}})


def _project(call: Call) -> str:
    """The project the path names. Raises Forbidden when it is not the caller's."""
    project = call.path["target_id"]
    if not call.who.is_admin and project != call.who.project_id:
        raise Forbidden("Policy doesn't allow volume_extension:quotas:show to be performed.")
    return project


def _read(call: Call, noun: str) -> dict[str, int]:
    said = read(call, noun, dict[str, Any])
    for name in ("tenant_id", "id", "class_name", "project_id", "force", "skip_validation"):
        said.pop(name, None)
    return convert(said, dict[str, Limit])


def _known(wanted: Mapping[str, int], books: Books) -> Mapping[str, int]:
    unknown = wanted.keys() - set(books.volumes.quotas.resources())
    if unknown:
        raise BadRequest(f"Bad key(s) in quota set: {', '.join(sorted(unknown))[:200]}")
    return wanted
