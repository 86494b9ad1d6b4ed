"""How many addresses there are and how many are given, over all networks, in four queries."""

from collections.abc import Sequence
from ipaddress import ip_address

from sqlalchemy import Connection, func, select

from kilonova.ledger.network_tables import networks, port_addresses, subnet_pools, subnets
from kilonova.model.ip_availability import NetworkAvailability, SubnetAvailability


class IpAvailability:
    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def all(self) -> Sequence[NetworkAvailability]:
        """Every network, the oldest first."""
        totals: dict[str, int] = {}
        for pool in self._db.execute(select(subnet_pools)):
            size = int(ip_address(pool.last_ip)) - int(ip_address(pool.first_ip)) + 1
            totals[pool.subnet_id] = totals.get(pool.subnet_id, 0) + size
        counted = select(port_addresses.c.subnet_id, func.count().label("used")).group_by(port_addresses.c.subnet_id)
        used = {row.subnet_id: row.used for row in self._db.execute(counted)}
        theirs: dict[str, list[SubnetAvailability]] = {}
        for row in self._db.execute(select(subnets).order_by(subnets.c.created_at, subnets.c.id)):
            one = SubnetAvailability(
                subnet_id=row.id,
                subnet_name=row.name,
                cidr=row.cidr,
                ip_version=row.ip_version,
                total_ips=totals.get(row.id, 0),
                used_ips=used.get(row.id, 0),
            )
            theirs.setdefault(row.network_id, []).append(one)
        return [
            NetworkAvailability(
                network_id=row.id, network_name=row.name, project_id=row.project_id, subnets=tuple(theirs.get(row.id, ()))
            )
            for row in self._db.execute(select(networks).order_by(networks.c.created_at, networks.c.id))
        ]
