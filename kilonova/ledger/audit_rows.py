"""Rows, or what they say, that have lost what they belong to: each kind one query. For the audit; compares nothing with nodes."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, exists, literal, not_, or_, select, union_all

from kilonova.ledger import identity_tables as t
from kilonova.ledger.actions import actions
from kilonova.ledger.image_tables import image_properties, images
from kilonova.ledger.network_tables import (
    freed_addresses,
    network_tags,
    networks,
    port_addresses,
    ports,
    security_groups,
    subnet_pools,
    subnetpools,
    subnets,
)
from kilonova.ledger.orders import orders
from kilonova.ledger.routing.tables import fabric, floating_ips, routers
from kilonova.ledger.server_groups import server_group_members
from kilonova.ledger.server_migrations import migrations
from kilonova.ledger.servers import servers
from kilonova.ledger.volume.tables import volume_metadata, volume_snapshots, volume_transfers, volumes
from kilonova.lifecycle.audit.view import Loose
from kilonova.model.router import FLOATING_IP, ROUTER_GATEWAY, ROUTER_INTERFACE

_TAGGED = (networks, subnets, ports, security_groups, routers, floating_ips, subnetpools)
_PLANNED = (("router", routers), ("group", security_groups), ("network", networks))


def _without(table: Table, there: Sequence[ColumnElement[bool]], *columns: ColumnElement[Any], **fixed: str) -> Select[Any]:
    """Rows of which nothing of `there` is true; `fixed` are words to go with each."""
    words = [literal(word).label(name) for name, word in fixed.items()]
    return select(*columns, *words).select_from(table).where(not_(or_(*there)))


def _assigned(end: str, kind: str, table: Table) -> Select[Any]:
    a = t.assignments.c
    what, which = (a.actor, a.actor_id) if end == "actor" else (a.target, a.target_id)
    lost = _without(t.assignments, [exists().where(table.c.id == which)], which.label("lost"), kind=kind)
    return lost.where(what == kind).distinct()


def _own_ports(owners: Sequence[str], *there: ColumnElement[bool], kind: str) -> Select[Any]:
    return _without(ports, there, ports.c.id, ports.c.device_id, kind=kind).where(ports.c.device_owner.in_(owners))


# Built once: to write them costs more than to run them.
_OF_DEVICE = exists().where(routers.c.id == ports.c.device_id)
_OF_FLOATING = exists().where(floating_ips.c.id == ports.c.device_id)
_HOLDS_FLOATING = exists().where(floating_ips.c.floating_port_id == ports.c.id)
_LED = exists().where(
    port_addresses.c.port_id == floating_ips.c.port_id, port_addresses.c.ip_address == floating_ips.c.fixed_ip_address
)
_ORDERED = exists().where(orders.c.server_id == actions.c.server_id)
_MOVED = exists().where(orders.c.server_id == migrations.c.server_id)
_KNOWN = exists().where(servers.c.id == server_group_members.c.server_id)
_OFFERED = exists().where(volume_transfers.c.volume_id == volumes.c.id)
_SERVER = (
    select(image_properties.c.value)
    .where(image_properties.c.image_id == images.c.id, image_properties.c.name == "instance_uuid")
    .scalar_subquery()
)
_SENT = [exists().where(orders.c.id == images.c.id), exists().where(orders.c.server_id == _SERVER)]

_ENDLESS = _without(actions, [_ORDERED], actions.c.server_id, actions.c.request_id, actions.c.action).where(
    actions.c.updated_at.is_(None)
)
_MOVES = _without(migrations, [_MOVED], migrations.c.uuid, migrations.c.server_id).where(migrations.c.status == "pre-migrating")
_MEMBERS = _without(server_group_members, [_KNOWN], server_group_members.c.server_id, server_group_members.c.group_id)
_OWN_PORTS = union_all(
    _own_ports((ROUTER_INTERFACE, ROUTER_GATEWAY), _OF_DEVICE, kind="router port without router"),
    _own_ports((FLOATING_IP,), _OF_FLOATING, _HOLDS_FLOATING, kind="floating IP port without floating IP"),
)
_FLOATING = _without(floating_ips, [_LED], floating_ips.c.id).where(
    or_(floating_ips.c.fixed_ip_address.is_not(None), floating_ips.c.port_id.is_not(None))
)
_TAGS = _without(
    network_tags,
    [network_tags.c.resource_id.in_(union_all(*(select(table.c.id) for table in _TAGGED)))],
    network_tags.c.resource_id,
).distinct()
_PLANS = union_all(
    *(
        _without(fabric, [exists().where(table.c.id == fabric.c.id)], fabric.c.id, kind=kind).where(
            fabric.c.kind == kind, fabric.c.gone.is_(False)
        )
        for kind, table in _PLANNED
    )
)
_TAKEN = select(port_addresses.c.subnet_id, port_addresses.c.ip_address)
_FREED = select(freed_addresses.c.subnet_id, freed_addresses.c.ip_address)
_POOLS = select(subnet_pools)
_TOLD = _without(
    volume_metadata,
    [volume_metadata.c.thing_id.in_(union_all(select(volumes.c.id), select(volume_snapshots.c.id)))],
    volume_metadata.c.thing_id,
).distinct()
_OFFERS = _without(volumes, [_OFFERED], volumes.c.id).where(volumes.c.status == "awaiting-transfer")
_WAITING = _without(images, _SENT, images.c.id, _SERVER.label("server_id")).where(
    images.c.deleted_at.is_(None), images.c.wanted_until.is_not(None), images.c.found_format.is_(None)
)
_ROLES = union_all(
    _assigned("actor", "user", t.users),
    _assigned("actor", "group", t.groups),
    _assigned("target", "project", t.projects),
    _assigned("target", "domain", t.domains),
)


def loose_rows(connection: Connection) -> tuple[Loose, ...]:
    """All kinds."""
    found = (_servers, _networks, _addresses, _volumes, _images, _identity)
    return tuple(row for look in found for row in look(connection))


def _servers(db: Connection) -> Iterator[Loose]:
    for row in db.execute(_ENDLESS):
        text = f"{row.action} of server {row.server_id} has no end, and nothing is under way"
        yield Loose(kind="action without end", about=row.request_id, text=text, owners=(row.server_id,))
    for uuid, server_id in db.execute(_MOVES):
        text = f"the resize of server {server_id} has no end, and nothing is under way"
        yield Loose(kind="resize without order", about=uuid, text=text, owners=(server_id,))
    for server_id, group_id in db.execute(_MEMBERS):
        text = f"it is in server group {group_id}, and there never was such a server"
        yield Loose(kind="group member without server", about=server_id, text=text)


def _networks(db: Connection) -> Iterator[Loose]:
    for port_id, owner, kind in db.execute(_OWN_PORTS):
        text = f"it belongs to {owner}, which is gone"
        if kind == "router port without router":
            yield Loose(kind="router port without router", about=port_id, text=text)
        else:
            yield Loose(kind="floating IP port without floating IP", about=port_id, text=text)
    for floating_id in db.execute(_FLOATING).scalars():
        yield Loose(kind="floating IP to nowhere", about=floating_id, text="it leads to an address that no port has")
    for thing_id in db.execute(_TAGS).scalars():
        yield Loose(kind="tags of nobody", about=thing_id, text="what had these tags is gone")
    for thing_id, kind in db.execute(_PLANS):
        yield Loose(kind="plan of nobody", about=thing_id, text=f"the network node is to have this {kind}, and there is none")


def _addresses(db: Connection) -> Iterator[Loose]:
    """Below a pool's mark every address is a port's, or is kept to be given again: not both, and not neither."""
    taken: dict[str, set[int]] = defaultdict(set)
    for subnet_id, ip in db.execute(_TAKEN):
        taken[subnet_id].add(int(ip_address(ip)))
    freed: dict[str, set[int]] = defaultdict(set)
    for subnet_id, ip in db.execute(_FREED):
        freed[subnet_id].add(number := int(ip_address(ip)))
        if number in taken[subnet_id]:
            text = f"a port of subnet {subnet_id} has it, and it is kept to be given again"
            yield Loose(kind="address both free and taken", about=ip, text=text)
    for pool in db.execute(_POOLS):
        first, last = int(ip_address(pool.first_ip)), int(ip_address(pool.last_ip))
        mark = last + 1 if pool.next_ip is None else int(ip_address(pool.next_ip))
        known = taken[pool.subnet_id] | freed[pool.subnet_id]
        lost = (mark - first) - sum(first <= number < mark for number in known)
        if lost:
            text = f"{lost} addresses of it are nobody's, and would never be given again"
            yield Loose(kind="addresses lost", about=pool.subnet_id, text=text)


def _volumes(db: Connection) -> Iterator[Loose]:
    for thing_id in db.execute(_TOLD).scalars():
        yield Loose(kind="metadata of nobody", about=thing_id, text="the volume or snapshot that had it is gone")
    for volume_id in db.execute(_OFFERS).scalars():
        yield Loose(kind="volume status", about=volume_id, text="it is awaiting-transfer, and is not on offer")


def _images(db: Connection) -> Iterator[Loose]:
    for row in db.execute(_WAITING):
        text = "it waits for a host to send it, and no host was told to"
        yield Loose(kind="image that waits for nobody", about=row.id, text=text, owners=(row.server_id or "",))


def _identity(db: Connection) -> Iterator[Loose]:
    for lost, kind in db.execute(_ROLES):
        text = f"the {kind} {lost} of this role is gone"
        yield Loose(kind="role assignment of nobody", about=lost, text=text)
