"""Changes that only a repair makes: counters counted again, rows without an owner forgotten. The rest the stories do."""

from collections.abc import Mapping
from ipaddress import ip_address

from sqlalchemy import Connection, Table, delete, func, insert, select, update

from kilonova.ledger import identity_tables as t
from kilonova.ledger.hosts import claims, hosts
from kilonova.ledger.network_tables import freed_addresses, port_addresses, subnet_pools
from kilonova.ledger.network_tags import Tags
from kilonova.ledger.routing.associations import NOWHERE
from kilonova.ledger.routing.own_ports import OwnPorts
from kilonova.ledger.routing.tables import fabric, floating_ips
from kilonova.ledger.server_groups import server_group_members
from kilonova.ledger.server_migrations import migrations
from kilonova.ledger.servers import servers
from kilonova.ledger.volume.tables import volume_metadata


class RepairBook:
    """One transaction's view of what is to be mended."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def recount_host(self, host: str) -> None:
        """Its counters are the sum of its claims."""
        held = claims.c.host == host
        sums = func.sum(claims.c.vcpus), func.sum(claims.c.ram_mb), func.sum(claims.c.disk_gb), func.count()
        vcpus, ram_mb, disk_gb, count = self._db.execute(select(*sums).where(held)).one()
        counted = {"vcpus_used": vcpus or 0, "ram_mb_used": ram_mb or 0, "disk_gb_used": disk_gb or 0, "servers": count}
        self._db.execute(update(hosts).where(hosts.c.name == host).values(counted))

    def recount_size(self, server_id: str, vcpus: int, ram_mb: int) -> None:
        """What it counts for against its quota."""
        self._db.execute(update(servers).where(servers.c.id == server_id).values(vcpus=vcpus, ram_mb=ram_mb))

    def end_move(self, uuid: str, now: float) -> None:
        """A resize that nobody carries out."""
        lost = (migrations.c.uuid == uuid) & (migrations.c.status == "pre-migrating")
        self._db.execute(update(migrations).where(lost).values(status="error", updated_at=now))

    def forget_member(self, server_id: str) -> None:
        """Of its server group."""
        self._db.execute(delete(server_group_members).where(server_group_members.c.server_id == server_id))

    def forget_tags(self, thing_id: str) -> None:
        """Of something in the network that is gone."""
        Tags(self._db).forget([thing_id])

    def forget_metadata(self, thing_id: str) -> None:
        """Of a volume or snapshot that is gone."""
        self._db.execute(delete(volume_metadata).where(volume_metadata.c.thing_id == thing_id))

    def forget_roles(self, lost_id: str) -> None:
        """Of a user, group, project or domain that is gone."""
        a = t.assignments.c
        self._db.execute(delete(t.assignments).where((a.actor_id == lost_id) | (a.target_id == lost_id)))

    def remove_own_port(self, port_id: str) -> None:
        """A router's, or a floating IP's; its addresses are free."""
        OwnPorts(self._db, Tags(self._db)).remove([port_id])

    def lead_nowhere(self, floating_id: str) -> str | None:
        """The router it led through."""
        this = floating_ips.c.id == floating_id
        router_id = self._db.execute(select(floating_ips.c.router_id).where(this)).scalar()
        raised = floating_ips.c.revision_number + 1
        self._db.execute(update(floating_ips).where(this).values(**NOWHERE, revision_number=raised))
        return router_id

    def plans_of(self, thing_id: str) -> list[str]:
        """The kinds of what a network node is to have under this id."""
        return list(self._db.execute(select(fabric.c.kind).where(fabric.c.id == thing_id, fabric.c.gone.is_(False))).scalars())

    def take_for_good(self, ip: str) -> None:
        """A port has it: it is not free."""
        taken = select(port_addresses.c.subnet_id).where(port_addresses.c.ip_address == ip)
        kept = (freed_addresses.c.ip_address == ip) & freed_addresses.c.subnet_id.in_(taken)
        self._db.execute(delete(freed_addresses).where(kept))

    def find_lost_addresses(self, subnet_id: str) -> int:
        """Everything below a mark that is no port's is kept to be given again; how many were lost."""
        known = {int(ip_address(ip)) for ip in self._of(port_addresses, subnet_id) + self._of(freed_addresses, subnet_id)}
        lost: list[Mapping[str, str]] = []
        for pool in self._db.execute(select(subnet_pools).where(subnet_pools.c.subnet_id == subnet_id)):
            first = ip_address(pool.first_ip)
            end = int(ip_address(pool.last_ip)) + 1 if pool.next_ip is None else int(ip_address(pool.next_ip))
            steps = (first + step for step in range(end - int(first)))
            lost += [{"subnet_id": subnet_id, "ip_address": str(ip)} for ip in steps if int(ip) not in known]
        if lost:
            self._db.execute(insert(freed_addresses), lost)
        return len(lost)

    def _of(self, table: Table, subnet_id: str) -> list[str]:
        return list(self._db.execute(select(table.c.ip_address).where(table.c.subnet_id == subnet_id)).scalars())
