"""Rows, or what they say, that have lost what they belong to: each kind one query. For the audit; compares nothing with nodes."""

from collections import defaultdict
from collections.abc import Iterator
from ipaddress import ip_address

from sqlalchemy import Connection, Select, Table, exists, literal, not_, or_, select, union_all

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


def loose_rows(connection: Connection) -> tuple[Loose, ...]:
    """All kinds."""
    found = (_servers, _networks, _addresses, _volumes, _images, _identity)
    return tuple(row for look in found for row in look(connection))


def _servers(db: Connection) -> Iterator[Loose]:
    ordered = exists().where(orders.c.server_id == actions.c.server_id)
    query = select(actions.c.server_id, actions.c.request_id, actions.c.action)
    for row in db.execute(query.where(actions.c.updated_at.is_(None), not_(ordered))):
        text = f"{row.action} of server {row.server_id} has no end, and nothing is under way"
        yield Loose(kind="action without end", about=row.request_id, text=text, owners=(row.server_id,))
    moved = exists().where(orders.c.server_id == migrations.c.server_id)
    moves = select(migrations.c.uuid, migrations.c.server_id).where(migrations.c.status == "pre-migrating", not_(moved))
    for uuid, server_id in db.execute(moves):
        text = f"the resize of server {server_id} has no end, and nothing is under way"
        yield Loose(kind="resize without order", about=uuid, text=text, owners=(server_id,))
    known = exists().where(servers.c.id == server_group_members.c.server_id)
    for server_id, group_id in db.execute(
        select(server_group_members.c.server_id, server_group_members.c.group_id).where(not_(known))
    ):
        text = f"it is in server group {group_id}, and there never was such a server"
        yield Loose(kind="group member without server", about=server_id, text=text)


def _networks(db: Connection) -> Iterator[Loose]:
    for owners, table, kind in (
        ((ROUTER_INTERFACE, ROUTER_GATEWAY), routers, "router port without router"),
        ((FLOATING_IP,), floating_ips, "floating IP port without floating IP"),
    ):
        there = [exists().where(table.c.id == ports.c.device_id)]
        if table is floating_ips:
            there.append(exists().where(floating_ips.c.floating_port_id == ports.c.id))
        lost = select(ports.c.id, ports.c.device_id).where(ports.c.device_owner.in_(owners), not_(or_(*there)))
        for port_id, owner in db.execute(lost):
            yield Loose(kind=kind, about=port_id, text=f"it belongs to {owner}, which is gone")
    led = exists().where(
        port_addresses.c.port_id == floating_ips.c.port_id, port_addresses.c.ip_address == floating_ips.c.fixed_ip_address
    )
    fixed = or_(floating_ips.c.fixed_ip_address.is_not(None), floating_ips.c.port_id.is_not(None))
    for (floating_id,) in db.execute(select(floating_ips.c.id).where(fixed, not_(led))):
        yield Loose(kind="floating IP to nowhere", about=floating_id, text="it leads to an address that no port has")
    tagged = union_all(*(select(table.c.id) for table in _TAGGED))
    tags = select(network_tags.c.resource_id).where(network_tags.c.resource_id.not_in(tagged)).distinct()
    for thing_id in db.execute(tags).scalars():
        yield Loose(kind="tags of nobody", about=thing_id, text="what had these tags is gone")
    for kind, table in _PLANNED:
        gone = select(fabric.c.id).where(
            fabric.c.kind == kind, fabric.c.gone.is_(False), not_(exists().where(table.c.id == fabric.c.id))
        )
        for thing_id in db.execute(gone).scalars():
            text = f"the network node is to have this {kind}, and there is none"
            yield Loose(kind="plan of nobody", about=thing_id, text=text)


def _addresses(db: Connection) -> Iterator[Loose]:
    """Below a pool's mark every address is a port's, or is kept to be given again: not both, and not neither."""
    taken: dict[str, set[int]] = defaultdict(set)
    for subnet_id, ip in db.execute(select(port_addresses.c.subnet_id, port_addresses.c.ip_address)):
        taken[subnet_id].add(int(ip_address(ip)))
    freed: dict[str, set[int]] = defaultdict(set)
    for subnet_id, ip in db.execute(select(freed_addresses.c.subnet_id, freed_addresses.c.ip_address)):
        freed[subnet_id].add(int(ip_address(ip)))
        if int(ip_address(ip)) in taken[subnet_id]:
            text = f"a port of subnet {subnet_id} has it, and it is kept to be given again"
            yield Loose(kind="address both free and taken", about=ip, text=text)
    for pool in db.execute(select(subnet_pools)):
        first, last = int(ip_address(pool.first_ip)), int(ip_address(pool.last_ip))
        mark = last + 1 if pool.next_ip is None else int(ip_address(pool.next_ip))
        known = taken[pool.subnet_id] | freed[pool.subnet_id]
        lost = (mark - first) - sum(first <= number < mark for number in known)
        if lost:
            text = f"{lost} addresses of it are nobody's, and would never be given again"
            yield Loose(kind="addresses lost", about=pool.subnet_id, text=text)


def _volumes(db: Connection) -> Iterator[Loose]:
    things = union_all(select(volumes.c.id), select(volume_snapshots.c.id))
    told = select(volume_metadata.c.thing_id).where(volume_metadata.c.thing_id.not_in(things)).distinct()
    for thing_id in db.execute(told).scalars():
        yield Loose(kind="metadata of nobody", about=thing_id, text="the volume or snapshot that had it is gone")
    offered = exists().where(volume_transfers.c.volume_id == volumes.c.id)
    for volume_id in db.execute(select(volumes.c.id).where(volumes.c.status == "awaiting-transfer", not_(offered))).scalars():
        yield Loose(kind="volume status", about=volume_id, text="it is awaiting-transfer, and is not on offer")


def _images(db: Connection) -> Iterator[Loose]:
    of_server = select(image_properties.c.value).where(
        image_properties.c.image_id == images.c.id, image_properties.c.name == "instance_uuid"
    )
    ordered = or_(exists().where(orders.c.id == images.c.id), exists().where(orders.c.server_id == of_server.scalar_subquery()))
    waiting = (images.c.deleted_at.is_(None), images.c.wanted_until.is_not(None), images.c.found_format.is_(None))
    query = select(images.c.id, of_server.scalar_subquery().label("server_id")).where(*waiting, not_(ordered))
    for row in db.execute(query):
        text = "it waits for a host to send it, and no host was told to"
        yield Loose(kind="image that waits for nobody", about=row.id, text=text, owners=(row.server_id or "",))


def _identity(db: Connection) -> Iterator[Loose]:
    lost = [_ids("actor", "user", t.users), _ids("actor", "group", t.groups)]
    lost += [_ids("target", "project", t.projects), _ids("target", "domain", t.domains)]
    for query in lost:
        for row in db.execute(query):
            text = f"the {row.kind} {row.lost} of this role is gone"
            yield Loose(kind="role assignment of nobody", about=row.lost, text=text)


def _ids(end: str, kind: str, table: Table) -> Select[tuple[str, str]]:
    a = t.assignments.c
    what, which = (a.actor, a.actor_id) if end == "actor" else (a.target, a.target_id)
    gone = not_(exists().where(table.c.id == which))
    return select(literal(kind).label("kind"), which.label("lost")).where(what == kind, gone).distinct()
