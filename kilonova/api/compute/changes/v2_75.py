"""2.75: unknown query parameters are errors; PUT shows a server like GET; a flavor without swap says 0 and not an empty string.

A hypervisor asked for with its servers shows an empty list when it has none; before, the key was missing.
"""

from typing import Any

from kilonova.api.compute.changes.change import Asked, Change, Document, Lift, Shown
from kilonova.api.compute.query_names import (
    ACTION_PARAMETERS,
    FLAVOR_PARAMETERS,
    HYPERVISOR_PARAMETERS,
    KEYPAIR_PARAMETERS,
    SERVER_PARAMETERS,
)

LATER = ("OS-EXT-", "OS-SRV-USG:", "os-extended-volumes:")
NOT_AFTER_PUT = ("key_name", "config_drive", "security_groups", "host_status")


def dropping_unknown(known: frozenset[str]) -> Lift:
    def lift(query: Document) -> Document:
        return {name: values for name, values in query.items() if name in known}

    return lift


def empty_swap_as_text(document: Document, about: Any) -> Document:
    if document.get("swap") == 0:
        document["swap"] = ""
    return document


def as_put_showed_it(document: Document, about: Any) -> Document:
    return _without_later({name: value for name, value in document.items() if name not in NOT_AFTER_PUT})


def as_rebuild_showed_it(document: Document, about: Any) -> Document:
    hidden = [name for name in NOT_AFTER_PUT if name != "key_name"]
    return _without_later({name: value for name, value in document.items() if name not in hidden})


def _without_later(document: Document) -> Document:
    """Without what came with extensions, also of each address."""
    kept = {name: value for name, value in document.items() if not name.startswith(LATER)}
    networks = document.get("addresses", {})
    short = {name: [{"version": one["version"], "addr": one["addr"]} for one in of_it] for name, of_it in networks.items()}
    return {**kept, "addresses": short}


def no_empty_servers(document: Document, about: Any) -> Document:
    if document.get("servers") == []:
        del document["servers"]
    return document


CHANGE = Change(
    lift={
        Asked.SERVER_QUERY: dropping_unknown(SERVER_PARAMETERS),
        Asked.FLAVOR_QUERY: dropping_unknown(FLAVOR_PARAMETERS),
        Asked.KEYPAIR_QUERY: dropping_unknown(KEYPAIR_PARAMETERS),
        Asked.ACTION_QUERY: dropping_unknown(ACTION_PARAMETERS),
        Asked.HYPERVISOR_QUERY: dropping_unknown(HYPERVISOR_PARAMETERS),
    },
    lower={
        Shown.FLAVOR: empty_swap_as_text,
        Shown.SERVER_UPDATED: as_put_showed_it,
        Shown.SERVER_REBUILT: as_rebuild_showed_it,
        Shown.HYPERVISOR: no_empty_servers,
        Shown.HYPERVISOR_BRIEF: no_empty_servers,
    },
)
