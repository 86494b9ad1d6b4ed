"""A POST /servers body, checked value by value, as a Wish. Decides nothing about room or quota."""

import base64
import binascii
import secrets
import string
from collections.abc import Iterable

from msgspec import UNSET, UnsetType

from kilonova.api.call import Call
from kilonova.api.compute.asking import free_text, hostname_text, ip_text, text, truth, uuid_text, whole
from kilonova.api.compute.block_devices import block_devices
from kilonova.api.compute.hints import scheduler_hints
from kilonova.api.compute.schemas import InjectedFile, NewServer, Nic, ServerFields, ServerFieldsWithFiles
from kilonova.build.wish import BlockDevice, NicWish, Wish
from kilonova.errors import BadRequest, Forbidden

PASSWORD_LETTERS = string.ascii_letters + string.digits
MOST_SERVERS = 1000
"""In one request."""


def wish(call: Call, asked: NewServer) -> Wish:
    """What the client asks for. Raises BadRequest or Forbidden."""
    server = asked.server
    _refuse_what_is_not_built(asked)
    zone, host = _place(call, server)
    image, volumes = _disks(call, server)
    least, most = _how_many(server)
    return Wish(
        caller=call.who,
        request_id=call.request_id,
        name=text(server.name, "name"),
        flavor_id=_last_part(server.flavorRef, "flavorRef"),
        image_id=image,
        block_devices=volumes,
        networks=_networks(server),
        auto_network=server.networks == "auto",
        key_name=_optional_text(server.key_name, "key_name"),
        user_data=_user_data(server),
        config_drive=truth(server.config_drive, "config_drive") if server.config_drive is not None else False,
        metadata=server.metadata,
        personality=files(server.personality) if isinstance(server, ServerFieldsWithFiles) else (),
        min_count=least,
        max_count=most,
        availability_zone=zone,
        security_groups=tuple(dict.fromkeys(text(group.name, "security_groups") for group in server.security_groups))
        or ("default",),
        description=free_text(server.description, "description"),
        hostname=hostname_text(server.hostname, "hostname") if server.hostname is not UNSET else None,
        tags=tuple(dict.fromkeys(server.tags)),
        admin_password=server.adminPass if server.adminPass is not UNSET else password(),
        access_ipv4=ip_text(server.accessIPv4, "accessIPv4", 4) if server.accessIPv4 else "",
        access_ipv6=ip_text(server.accessIPv6, "accessIPv6", 6) if server.accessIPv6 else "",
        host=host,
        hints=scheduler_hints(asked),
        disk_config=server.disk_config,
        idempotency_key=_idempotency_key(call),
        traceparent=call.headers.get("traceparent", "")[:128],
        arrived_at=call.started,
    )


def _how_many(server: ServerFields) -> tuple[int, int]:
    least = whole(server.min_count, "min_count", 1, MOST_SERVERS)
    most = least if server.max_count is UNSET else whole(server.max_count, "max_count", 1, MOST_SERVERS)
    if least > most:
        raise BadRequest("min_count must be <= max_count")
    return least, most


def _refuse_what_is_not_built(asked: NewServer) -> None:
    """Said before anything is done, so that no client believes it has what it asked for."""
    if asked.server.trusted_image_certificates:
        raise BadRequest("Trusted image certificates are not available in this cloud.")


def _disks(call: Call, server: ServerFields) -> tuple[str | None, tuple[BlockDevice, ...]]:
    """(the image of its own root disk, its volumes)."""
    image = _last_part(server.imageRef, "imageRef") if server.imageRef is not UNSET and server.imageRef else None
    if image is not None:
        image = uuid_text(image, "imageRef")
    image, volumes = block_devices(call, image, server.block_device_mapping, server.block_device_mapping_v2)
    if image is None and not volumes:
        raise BadRequest("Invalid imageRef provided.")
    return image, volumes


def _networks(server: ServerFields) -> tuple[NicWish, ...] | None:
    if server.networks == "none":
        return ()
    if server.networks == "auto" or not server.networks:
        return None
    return tuple(_nic(nic) for nic in server.networks if isinstance(nic, Nic))


def _nic(nic: Nic) -> NicWish:
    tag = nic.tag if nic.tag is not UNSET else None
    fixed_ip = ip_text(nic.fixed_ip, "fixed_ip") if nic.fixed_ip is not UNSET else None
    if nic.port is not UNSET and nic.port is not None:
        if fixed_ip is not None:
            raise BadRequest(f"Specified Fixed IP '{fixed_ip}' cannot be used with port '{nic.port[:80]}'.")
        return NicWish(port_id=uuid_text(nic.port, "port"), tag=tag)
    if nic.uuid is UNSET:
        raise BadRequest("Bad networks format: network uuid is not in proper format (None)")
    return NicWish(network_id=uuid_text(nic.uuid, "networks.uuid"), fixed_ip=fixed_ip, tag=tag)


def _place(call: Call, server: ServerFields) -> tuple[str | None, str | None]:
    """(zone, host). A host can be named in three ways; each is for admins."""
    zone = _optional_text(server.availability_zone, "availability_zone")
    named = server.host if server.host is not UNSET else server.hypervisor_hostname
    host = text(named, "host") if named is not UNSET else None
    if server.host is not UNSET and server.hypervisor_hostname not in (UNSET, server.host):
        raise BadRequest("No valid host was found: host and hypervisor_hostname name two different hosts.")
    if zone is not None and ":" in zone:
        if host is not None:
            raise BadRequest("The host is named both in availability_zone and in host.")
        zone, _, rest = zone.partition(":")
        parts = [part for part in rest.split(":") if part]
        if not parts or len(set(parts)) > 1:
            raise BadRequest("Invalid availability_zone: it is 'zone' or, for admins, 'zone:host'.")
        host = parts[0]
    if host is not None and not call.who.is_admin:
        raise Forbidden("Policy doesn't allow os_compute_api:servers:create:forced_host to be performed.")
    return zone or None, host


def _user_data(server: ServerFields) -> str | None:
    if server.user_data is UNSET:
        return None
    return base64_text(server.user_data, "user_data")


def base64_text(value: str, name: str) -> str | None:
    """Without its line breaks; None for nothing at all. Raises BadRequest when it is not base64."""
    plain = "".join(value.split())
    try:
        base64.b64decode(plain, validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest(f"Invalid input for field/attribute {name}. It is not a 'base64'.") from None
    return plain or None


def files(personality: Iterable[InjectedFile]) -> tuple[tuple[str, str], ...]:
    """(path, contents) of each. Raises BadRequest when contents are not base64."""
    for file in personality:
        base64_text(file.contents, "contents")
    return tuple((file.path, file.contents) for file in personality)


def _last_part(reference: str | int, name: str) -> str:
    """Old clients send a URL; its last part is the id."""
    found = str(reference).rstrip("/").rsplit("/", 1)[-1]
    return text(found, name)


def _optional_text(value: str | UnsetType, name: str) -> str | None:
    return None if value is UNSET else text(value, name)


def password() -> str:
    """Twelve letters and digits, random."""
    return "".join(secrets.choice(PASSWORD_LETTERS) for _ in range(12))


def _idempotency_key(call: Call) -> str | None:
    key = call.headers.get("idempotency-key")
    return text(key, "Idempotency-Key") if key else None
