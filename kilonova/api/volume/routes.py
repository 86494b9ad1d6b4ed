"""The volume service's paths: from URL to function and right in one look. Each is there with the project's id, and without.

Backups, groups and encrypted types are not here: their paths answer 404.
"""

from collections.abc import Iterator, Mapping

from kilonova.api.call import Handler, Routes
from kilonova.api.rights import Right, Rights
from kilonova.api.volume import (
    about,
    attachments,
    hosts,
    messages,
    qos,
    quotas,
    snapshots,
    transfers,
    types,
    versions,
    volume_actions,
    volumes,
)
from kilonova.api.volume.access import in_project, since
from kilonova.api.volume.metadata import OF_SNAPSHOTS, OF_VOLUMES, MetadataHandlers

TOKEN, READER, MEMBER, ADMIN = Right.TOKEN, Right.READER, Right.MEMBER, Right.ADMIN
Table = Mapping[str, Mapping[str, tuple[Handler, Right]]]


def _metadata(path: str, of: MetadataHandlers) -> Table:
    return {
        f"{path}/metadata": {"GET": (of.show_all, READER), "POST": (of.add, MEMBER), "PUT": (of.replace, MEMBER)},
        f"{path}/metadata/{{key}}": {
            "GET": (of.show_one, READER),
            "PUT": (of.set_one, MEMBER),
            "DELETE": (of.delete_one, MEMBER),
        },
    }


def _transfers(path: str, first: int) -> Table:
    """`first`: the minor version that brought the path."""
    return {
        path: {"GET": (since(first, transfers.list_transfers), READER), "POST": (since(first, transfers.create), MEMBER)},
        f"{path}/detail": {"GET": (since(first, transfers.list_details), READER)},
        f"{path}/{{transfer_id}}": {
            "GET": (since(first, transfers.show), READER),
            "DELETE": (since(first, transfers.delete), MEMBER),
        },
        f"{path}/{{transfer_id}}/accept": {"POST": (since(first, transfers.accept), MEMBER)},
    }


VOLUMES: Table = {
    "/volumes": {"GET": (volumes.list_volumes, READER), "POST": (volumes.create, MEMBER)},
    "/volumes/detail": {"GET": (volumes.list_details, READER)},
    "/volumes/summary": {"GET": (since(12, volumes.summary), READER)},
    "/volumes/{volume_id}": {
        "GET": (volumes.show, READER),
        "PUT": (volumes.update, MEMBER),
        "DELETE": (volumes.delete, MEMBER),
    },
    "/volumes/{volume_id}/action": {"POST": (volume_actions.act, MEMBER)},
    "/volumes/{volume_id}/encryption": {"GET": (volumes.show_encryption, READER)},
    **_metadata("/volumes/{volume_id}", OF_VOLUMES),
    "/snapshots": {"GET": (snapshots.list_snapshots, READER), "POST": (snapshots.create, MEMBER)},
    "/snapshots/detail": {"GET": (snapshots.list_details, READER)},
    "/snapshots/{snapshot_id}": {
        "GET": (snapshots.show, READER),
        "PUT": (snapshots.update, MEMBER),
        "DELETE": (snapshots.delete, MEMBER),
    },
    "/snapshots/{snapshot_id}/action": {"POST": (snapshots.act, MEMBER)},
    **_metadata("/snapshots/{snapshot_id}", OF_SNAPSHOTS),
    **_transfers("/os-volume-transfer", 0),
    **_transfers("/volume-transfers", 55),
    "/attachments": {
        "GET": (since(27, attachments.list_attachments), READER),
        "POST": (since(27, attachments.create), MEMBER),
    },
    "/attachments/detail": {"GET": (since(27, attachments.list_details), READER)},
    "/attachments/{attachment_id}": {
        "GET": (since(27, attachments.show), READER),
        "PUT": (since(27, attachments.update), MEMBER),
        "DELETE": (since(27, attachments.delete), MEMBER),
    },
    "/attachments/{attachment_id}/action": {"POST": (since(27, attachments.act), MEMBER)},
    "/messages": {"GET": (since(3, messages.list_messages), READER)},
    "/messages/{message_id}": {
        "GET": (since(3, messages.show), READER),
        "DELETE": (since(3, messages.delete), MEMBER),
    },
}

TYPES: Table = {
    "/types": {"GET": (types.list_types, READER), "POST": (types.create, ADMIN)},
    "/types/default": {"GET": (types.show_default, READER)},
    "/types/{type_id}": {"GET": (types.show, READER), "PUT": (types.update, ADMIN), "DELETE": (types.delete, ADMIN)},
    "/types/{type_id}/action": {"POST": (types.act, ADMIN)},
    "/types/{type_id}/encryption": {"GET": (types.show_encryption, ADMIN)},
    "/types/{type_id}/os-volume-type-access": {"GET": (types.list_access, ADMIN)},
    "/types/{type_id}/extra_specs": {"GET": (types.list_specs, READER), "POST": (types.add_specs, ADMIN)},
    "/types/{type_id}/extra_specs/{key}": {
        "GET": (types.show_spec, READER),
        "PUT": (types.set_spec, ADMIN),
        "DELETE": (types.delete_spec, ADMIN),
    },
    "/qos-specs": {"GET": (qos.list_qos, ADMIN), "POST": (qos.create, ADMIN)},
    "/qos-specs/{qos_id}": {"GET": (qos.show, ADMIN), "PUT": (qos.set_keys, ADMIN), "DELETE": (qos.delete, ADMIN)},
    "/qos-specs/{qos_id}/delete_keys": {"PUT": (qos.delete_keys, ADMIN)},
    "/qos-specs/{qos_id}/associations": {"GET": (qos.associations, ADMIN)},
    "/qos-specs/{qos_id}/associate": {"GET": (qos.associate, ADMIN)},
    "/qos-specs/{qos_id}/disassociate": {"GET": (qos.disassociate, ADMIN)},
    "/qos-specs/{qos_id}/disassociate_all": {"GET": (qos.disassociate_all, ADMIN)},
}

ABOUT: Table = {
    "/limits": {"GET": (quotas.limits, READER)},
    "/os-quota-sets/{target_id}": {
        "GET": (quotas.show, READER),
        "PUT": (quotas.update, ADMIN),
        "DELETE": (quotas.delete, ADMIN),
    },
    "/os-quota-sets/{target_id}/defaults": {"GET": (quotas.show_defaults, READER)},
    "/os-quota-class-sets/{class_name}": {"GET": (quotas.show_class, ADMIN), "PUT": (quotas.update_class, ADMIN)},
    "/extensions": {"GET": (about.list_extensions, TOKEN)},
    "/os-availability-zone": {"GET": (about.list_zones, READER)},
    "/resource_filters": {"GET": (since(33, about.list_filters), READER)},
    "/os-services": {"GET": (hosts.list_services, ADMIN)},
    "/os-services/{action}": {"PUT": (hosts.change_service, ADMIN)},
    "/os-hosts": {"GET": (hosts.list_hosts, ADMIN)},
    "/os-hosts/{host}": {"GET": (hosts.show_host, ADMIN)},
    "/scheduler-stats/get_pools": {"GET": (hosts.list_pools, ADMIN)},
    "/capabilities/{host}": {"GET": (hosts.show_capabilities, ADMIN)},
}

TABLE: Table = {**VOLUMES, **TYPES, **ABOUT}


def _all() -> Iterator[tuple[str, str, Handler, Right]]:
    for path, methods in TABLE.items():
        for method, (handler, right) in methods.items():
            guarded = in_project(handler)
            for before in ("/v3", "/v3/{project_id}"):
                yield before + path, method, guarded, right


def _tables() -> tuple[Routes, Rights]:
    routes: dict[str, dict[str, Handler]] = {"": {"GET": versions.root}, "/v3": {"GET": versions.v3}}
    rights: dict[Handler, Right] = {versions.root: Right.ANYONE, versions.v3: Right.ANYONE}
    for path, method, handler, right in _all():
        routes.setdefault(path, {})[method] = handler
        rights[handler] = right
    return routes, rights


ROUTES, RIGHTS = _tables()
