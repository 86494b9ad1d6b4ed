"""/os-quota-class-sets: the class ``default`` holds the limits of every project that has none of its own; others mean nothing."""

from msgspec import UNSET

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import body, only, shown, whole
from kilonova.api.compute.changes.change import Asked, Document, Shown
from kilonova.api.compute.changes.v2_36 import NETWORK_QUOTAS
from kilonova.api.compute.changes.v2_50 import NETWORK_QUOTAS_UNTIL
from kilonova.api.compute.changes.v2_57 import FILES_UNTIL
from kilonova.api.compute.changes.v2_57 import QUOTAS as FILE_QUOTAS
from kilonova.api.compute.quotas import MOST, QUOTAS
from kilonova.api.compute.schemas_admin import QuotaClassUpdate
from kilonova.errors import BadRequest
from kilonova.model.quota import UNLIMITED, ComputeQuota

LONGEST = 255


async def show(call: Call) -> Answer:
    only(call)
    name = _name(call)
    quota = await call.world.ledger.read(lambda books: books.quotas.of_class(name))
    return Answer(200, {"quota_class_set": {"id": name, **_quota(call, quota)}})


async def update(call: Call) -> Answer:
    name = _name(call)
    asked = body(call, QuotaClassUpdate, Asked.QUOTA_CLASS_UPDATE).quota_class_set
    given = {field: getattr(asked, field) for field in asked.__struct_fields__}
    changes = {field: whole(value, field, UNLIMITED, MOST) for field, value in given.items() if value is not UNSET}
    if call.version > FILES_UNTIL and any(field in changes for field in FILE_QUOTAS):
        raise BadRequest("Additional properties are not allowed: files are no longer injected.")
    if call.version > NETWORK_QUOTAS_UNTIL and any(field in changes for field in NETWORK_QUOTAS):
        raise BadRequest("Additional properties are not allowed: networks have quotas of their own.")
    quota = await call.world.ledger.write(lambda books: books.quotas.change_class(name, changes))
    return Answer(200, {"quota_class_set": _quota(call, quota)})


def _name(call: Call) -> str:
    name = call.path["class_name"]
    if len(name) > LONGEST:
        raise BadRequest(f"quota_class_name has {len(name)} characters, more than {LONGEST}.")
    return name


def _quota(call: Call, quota: ComputeQuota) -> Document:
    return shown(call, Shown.QUOTA_CLASS, {name: getattr(quota, name) for name in QUOTAS}, quota)
