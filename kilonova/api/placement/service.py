"""Placement as the application mounts it: for admins, and for reading. What would change anything is refused with the reason."""

from kilonova.api.call import Answer, Call, Routes
from kilonova.api.placement import allocations, candidates, providers, versions, words
from kilonova.api.placement.versions import since
from kilonova.api.rights import Right, Rights
from kilonova.api.service import Service

_READ_ONLY = (
    "Placement is read-only in this cloud: hosts tell what they have, "
    "and room is claimed and freed by building and deleting servers."
)


async def refuse(call: Call) -> Answer:
    """Every way to write."""
    return Answer(405, versions.error_body(405, _READ_ONLY, None, call.request_id), {"Allow": "GET, HEAD"})


_PROVIDER = "/resource_providers/{uuid}"
_GETS = {
    "/resource_providers": providers.index,
    _PROVIDER: providers.show,
    _PROVIDER + "/inventories": providers.inventories,
    _PROVIDER + "/inventories/{resource_class}": providers.inventory,
    _PROVIDER + "/usages": providers.usages,
    _PROVIDER + "/aggregates": since(1, providers.aggregates),
    _PROVIDER + "/traits": since(6, providers.traits),
    _PROVIDER + "/allocations": providers.allocations,
    "/allocations/{consumer}": allocations.of_consumer,
    "/usages": since(9, allocations.usages),
    "/allocation_candidates": since(10, candidates.candidates),
    "/resource_classes": since(2, words.resource_classes),
    "/resource_classes/{name}": since(2, words.resource_class),
    "/traits": since(6, words.traits),
    "/traits/{name}": since(6, words.trait),
}
_WRITES = {
    "/resource_providers": ("POST",),
    _PROVIDER: ("PUT", "DELETE"),
    _PROVIDER + "/inventories": ("PUT", "POST", "DELETE"),
    _PROVIDER + "/inventories/{resource_class}": ("PUT", "DELETE"),
    _PROVIDER + "/aggregates": ("PUT",),
    _PROVIDER + "/traits": ("PUT", "DELETE"),
    "/allocations": ("POST",),
    "/allocations/{consumer}": ("PUT", "DELETE"),
    "/reshaper": ("POST",),
    "/resource_classes": ("POST",),
    "/resource_classes/{name}": ("PUT", "DELETE"),
    "/traits/{name}": ("PUT", "DELETE"),
}
ROUTES: Routes = {
    "": {"GET": versions.root},
    **{
        path: {**({"GET": _GETS[path]} if path in _GETS else {}), **{method: refuse for method in _WRITES.get(path, ())}}
        for path in (*_GETS, *(path for path in _WRITES if path not in _GETS))
    },
}
RIGHTS: Rights = {versions.root: Right.ANYONE, refuse: Right.ADMIN, **dict.fromkeys(_GETS.values(), Right.ADMIN)}

SERVICE = Service(
    name="placement",
    mount="/placement",
    routes=ROUTES,
    rights=RIGHTS,
    error_body=versions.error_body,
    negotiate=versions.negotiate,
    finish=versions.finish,
)
