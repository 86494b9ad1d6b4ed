"""The subnets: kept apart from one another in their network, with their pools. Which address a port gets is in addresses.py."""

from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Any

import msgspec
from msgspec import UNSET
from sqlalchemy import ColumnElement, Connection, Row, delete, insert, or_, select, update

from kilonova.errors import BadRequest, Conflict
from kilonova.ledger import network_listing
from kilonova.ledger.addresses import Addresses, routes_of
from kilonova.ledger.automatic_addresses import AutomaticAddresses
from kilonova.ledger.network_listing import Shelf, chunks
from kilonova.ledger.network_quotas import NetworkQuotas
from kilonova.ledger.network_rows import NetworkRows
from kilonova.ledger.network_tables import networks, port_addresses, subnet_pools, subnets
from kilonova.ledger.network_tags import Tags
from kilonova.ledger.routing.fabric import NETWORK, ROUTER, Fabric
from kilonova.ledger.routing.tables import routers
from kilonova.ledger.subnetpools import SubnetPools
from kilonova.model import subnet_rules
from kilonova.model.caller import Caller
from kilonova.model.ids import new_uuid
from kilonova.model.network import Listing, Pool, Subnet
from kilonova.model.network_rights import owner, refuse_stranger
from kilonova.model.network_wish import NewSubnet, SubnetChanges
from kilonova.model.subnet_rules import SELF_GIVEN


def _visible(caller: Caller) -> ColumnElement[bool]:
    theirs = select(networks.c.id).where(or_(networks.c.project_id == caller.project_id, networks.c.shared))
    return or_(subnets.c.project_id == caller.project_id, subnets.c.network_id.in_(theirs))


def _shared(values: Sequence[str]) -> ColumnElement[bool]:
    wanted = [value.lower() in ("true", "1") for value in values]
    return subnets.c.network_id.in_(select(networks.c.id).where(networks.c.shared.in_(wanted)))


_c = subnets.c
SHELF = Shelf(
    noun="Subnet",
    table=subnets,
    columns={
        "id": _c.id,
        "name": _c.name,
        "description": _c.description,
        "project_id": _c.project_id,
        "tenant_id": _c.project_id,
        "network_id": _c.network_id,
        "ip_version": _c.ip_version,
        "cidr": _c.cidr,
        "gateway_ip": _c.gateway_ip,
        "enable_dhcp": _c.enable_dhcp,
        "ipv6_ra_mode": _c.ipv6_ra_mode,
        "ipv6_address_mode": _c.ipv6_address_mode,
        "subnetpool_id": _c.subnetpool_id,
        "revision_number": _c.revision_number,
        "created_at": _c.created_at,
        "updated_at": _c.updated_at,
    },
    visible=_visible,
    special={"shared": _shared},
)


class Subnets:
    def __init__(
        self,
        connection: Connection,
        rows: NetworkRows,
        subnetpools: SubnetPools,
        quotas: NetworkQuotas,
        tags: Tags,
        fabric: Fabric,
    ) -> None:
        self._connection = connection
        self._subnetpools = subnetpools
        self._networks = rows
        self._fabric = fabric
        self._addresses = Addresses(connection)
        self._automatic = AutomaticAddresses(connection, fabric)
        self._quotas = quotas
        self._tags = tags

    def get(self, thing_id: str, caller: Caller) -> Subnet:
        return self._read([network_listing.get(self._connection, SHELF, thing_id, caller)])[0]

    def find(self, wanted: Listing, caller: Caller) -> Sequence[Subnet]:
        return self._read(network_listing.find(self._connection, SHELF, wanted, caller))

    def create(self, wish: NewSubnet, caller: Caller, now: float) -> Subnet:
        network = self._networks.row(wish.network_id, caller)
        refuse_stranger(network.project_id, caller)
        project_id = owner(wish.owner or network.project_id, caller)
        pool_id, cidr = self._origin(wish, project_id, caller)
        values, pools = _plan(wish, cidr)
        self._refuse_overlap(wish.network_id, values["cidr"])
        self._quotas.make_room("subnet", project_id)
        subnet_id = new_uuid()
        times = {"created_at": now, "updated_at": now, "revision_number": 0}
        known = {"id": subnet_id, "project_id": project_id, "subnetpool_id": pool_id}
        self._connection.execute(insert(subnets), {**values, **times, **known})
        self._addresses.set_pools(subnet_id, pools)
        if values["ipv6_address_mode"] in SELF_GIVEN:
            self._automatic.spread(subnet_id, network.id, values["cidr"])
        if wish.tags is not UNSET:
            self._tags.replace(subnet_id, wish.tags)
        self._tell(network.id)
        return self.get(subnet_id, caller)

    def _origin(self, wish: NewSubnet, project_id: str, caller: Caller) -> tuple[str | None, str]:
        """The pool, if it comes from one, and the CIDR. Raises BadRequest, NotFound, Conflict."""
        if wish.ip_version not in (4, 6):
            raise subnet_rules.invalid("ip_version", wish.ip_version, "is not in [4, 6]")
        pool_id = wish.subnetpool_id
        if pool_id is None and wish.use_default_subnetpool:
            pool_id = self._subnetpools.default_id(wish.ip_version, caller)
        if pool_id is None:
            if wish.cidr is None:
                raise _bad("a subnetpool must be specified in the absence of a cidr")
            if wish.prefixlen is not None:
                raise _bad("allocation pools and prefixlen allowed only for specific subnet pool requests")
            return None, wish.cidr
        if wish.cidr is not None and wish.prefixlen is not None:
            raise _bad("cidr and prefixlen must not be supplied together")
        pool = self._subnetpools.get(pool_id, caller)
        if pool.ip_version != wish.ip_version:
            raise _bad(f"Cannot allocate IPv{wish.ip_version} subnet from IPv{pool.ip_version} subnet pool")
        self._refuse_other_pool(wish.network_id, pool_id, pool.ip_version)
        net = subnet_rules.read_cidr(wish.cidr, "cidr") if wish.cidr is not None else None
        return pool_id, self._subnetpools.allot(pool, project_id, wish.prefixlen, net)

    def _refuse_other_pool(self, network_id: str, pool_id: str, version: int) -> None:
        here = (_c.network_id == network_id) & (_c.ip_version == version)
        other = or_(_c.subnetpool_id.is_(None), _c.subnetpool_id != pool_id)
        if self._connection.execute(select(_c.id).where(here, other).limit(1)).first():
            message = "Subnets hosted on the same network must be allocated from the same subnet pool."
            raise BadRequest(message, kind="NetworkSubnetPoolAffinityError")

    def change(self, thing_id: str, changes: SubnetChanges, caller: Caller, now: float) -> Subnet:
        subnet = self.get(thing_id, caller)
        refuse_stranger(subnet.project_id, caller)
        values, pools = self._changed(subnet, changes)
        self._connection.execute(
            update(subnets)
            .where(subnets.c.id == thing_id)
            .values(**values, updated_at=now, revision_number=subnets.c.revision_number + 1)
        )
        if pools is not None:
            self._addresses.set_pools(thing_id, pools)
        self._tell(subnet.network_id)
        return self.get(thing_id, caller)

    def remove(self, thing_id: str, caller: Caller) -> None:
        subnet = self.get(thing_id, caller)
        refuse_stranger(subnet.project_id, caller)
        if subnet.ipv6_address_mode in SELF_GIVEN:
            self._automatic.withdraw(thing_id)
        used = select(port_addresses.c.port_id).where(port_addresses.c.subnet_id == thing_id).limit(1)
        if self._connection.execute(used).first():
            message = (
                f"Unable to complete operation on subnet {thing_id}: One or more ports have an IP allocation from this subnet."
            )
            raise Conflict(message, kind="SubnetInUse")
        self._tags.forget([thing_id])
        self._connection.execute(delete(subnets).where(subnets.c.id == thing_id))
        self._tell(subnet.network_id)

    def _tell(self, network_id: str) -> None:
        """The network node hears of it when it is an external network's, and so do the routers that lead there."""
        if self._networks.row_of(network_id).external:
            self._fabric.changed(NETWORK, [network_id])
            leading = select(routers.c.id).where(routers.c.gateway_network_id == network_id)
            self._fabric.changed(ROUTER, list(self._connection.execute(leading).scalars()))

    def _changed(self, subnet: Subnet, changes: SubnetChanges) -> tuple[dict[str, Any], tuple[Pool, ...] | None]:
        """The columns and the pools that are new. Raises BadRequest, Conflict."""
        net = ip_network(subnet.cidr)
        values: dict[str, Any] = {}
        for name, said in (("name", changes.name), ("description", changes.description)):
            if said is not UNSET:
                values[name] = said
        if changes.enable_dhcp is not UNSET:
            subnet_rules.subnet_cidr(subnet.cidr, subnet.ip_version, changes.enable_dhcp)
            subnet_rules.ipv6_modes(subnet.ipv6_ra_mode, subnet.ipv6_address_mode, net, changes.enable_dhcp)
            values["enable_dhcp"] = changes.enable_dhcp
        if changes.dns_nameservers is not UNSET:
            values["dns_nameservers"] = subnet_rules.dns_nameservers(changes.dns_nameservers)
        if changes.host_routes is not UNSET:
            values["host_routes"] = _plain(subnet_rules.host_routes(changes.host_routes, subnet.ip_version))
        gateway = ip_address(subnet.gateway_ip) if subnet.gateway_ip else None
        if changes.gateway_ip is not UNSET:
            gateway = subnet_rules.gateway(changes.gateway_ip, net) if changes.gateway_ip else None
            values["gateway_ip"] = str(gateway) if gateway else None
            if values["gateway_ip"] != subnet.gateway_ip:
                self._refuse_if_gateway_used(subnet)
        if changes.allocation_pools is not UNSET:
            return values, subnet_rules.pools(changes.allocation_pools, net, gateway)
        if gateway is not None and "gateway_ip" in values:
            subnet_rules.refuse_gateway_in_pools(gateway, subnet.allocation_pools)
        return values, None

    def _refuse_if_gateway_used(self, subnet: Subnet) -> None:
        used = select(port_addresses.c.port_id).where(
            port_addresses.c.subnet_id == subnet.id, port_addresses.c.ip_address == subnet.gateway_ip
        )
        port_id = self._connection.execute(used).scalar()
        if port_id is not None:
            message = f"Current gateway ip {subnet.gateway_ip} already in use by port {port_id}. Unable to update."
            raise Conflict(message, kind="GatewayIpInUse")

    def _refuse_overlap(self, network_id: str, cidr: str) -> None:
        others = self._connection.execute(select(subnets.c.id, subnets.c.cidr).where(subnets.c.network_id == network_id))
        for other in others:
            if subnet_rules.overlap(cidr, other.cidr):
                raise subnet_rules.invalid_input(
                    f"Requested subnet with cidr: {cidr} for network: {network_id} overlaps with another subnet"
                )

    def _read(self, rows: Sequence[Row[Any]]) -> list[Subnet]:
        ids = [row.id for row in rows]
        pools: dict[str, list[Pool]] = {}
        for some in chunks(ids):
            query = select(subnet_pools).where(subnet_pools.c.subnet_id.in_(some)).order_by(subnet_pools.c.position)
            for pool in self._connection.execute(query):
                pools.setdefault(pool.subnet_id, []).append(Pool(start=pool.first_ip, end=pool.last_ip))
        tags = self._tags.of_many(ids)
        return [_subnet(row, tuple(pools.get(row.id, ())), tags.get(row.id, ())) for row in rows]


def _bad(why: str) -> BadRequest:
    return BadRequest(f"Bad subnets request: {why}.", kind="BadRequest")


def _plan(wish: NewSubnet, cidr: str) -> tuple[dict[str, Any], tuple[Pool, ...]]:
    """The columns and pools of a new subnet. Raises BadRequest, Conflict."""
    net = subnet_rules.subnet_cidr(cidr, wish.ip_version, wish.enable_dhcp)
    ra_mode, address_mode = wish.ipv6_ra_mode, wish.ipv6_address_mode
    subnet_rules.ipv6_modes(ra_mode, address_mode, net, wish.enable_dhcp)
    if wish.gateway_ip is UNSET:
        gateway = subnet_rules.default_gateway(net)
    else:
        gateway = subnet_rules.gateway(wish.gateway_ip, net) if wish.gateway_ip else None
    if wish.allocation_pools is UNSET or wish.allocation_pools is None:
        pools = subnet_rules.default_pools(net, gateway)
    else:
        pools = subnet_rules.pools(wish.allocation_pools, net, gateway)
    values = {
        "network_id": wish.network_id,
        "name": wish.name,
        "description": wish.description,
        "ip_version": net.version,
        "cidr": str(net),
        "gateway_ip": str(gateway) if gateway else None,
        "enable_dhcp": wish.enable_dhcp,
        "ipv6_ra_mode": ra_mode,
        "ipv6_address_mode": address_mode,
        "dns_nameservers": subnet_rules.dns_nameservers(wish.dns_nameservers),
        "host_routes": _plain(subnet_rules.host_routes(wish.host_routes, net.version)),
    }
    return values, pools


def _plain(values: Sequence[msgspec.Struct]) -> Any:
    return msgspec.to_builtins(values)


def _subnet(row: Row[Any], pools: tuple[Pool, ...], tags: tuple[str, ...]) -> Subnet:
    values = dict(row._mapping)
    values["dns_nameservers"] = tuple(values["dns_nameservers"])
    values["host_routes"] = routes_of(values["host_routes"])
    return Subnet(**values, allocation_pools=pools, tags=tags)
