"""The plans a network node carries out, composed from the rows as they are now. Writes nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from kilonova.ledger.network_tables import networks, port_addresses, ports, security_group_rules, subnets
from kilonova.ledger.routing.tables import floating_ips, routers
from kilonova.ledger.wired_ports import WiredPorts
from kilonova.lifecycle.fabric import ServerPorts
from kilonova.model.fabric import FloatingAddress, GroupPlan, GroupRule, NetworkPlan, RouterPlan, RouterPort
from kilonova.model.ids import NetworkId, PortId, ServerId, SubnetId
from kilonova.model.router import ROUTER_INTERFACE

Revisions = Mapping[str, int]
"""Id → the revision its plan has now."""


class Plans:
    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def groups(self, revisions: Revisions) -> tuple[GroupPlan, ...]:
        if not revisions:
            return ()
        c = security_group_rules.c
        rules: dict[str, list[GroupRule]] = {group_id: [] for group_id in revisions}
        for row in self._db.execute(select(security_group_rules).where(c.security_group_id.in_(revisions)).order_by(c.id)):
            rules[row.security_group_id].append(_rule(row))
        return tuple(GroupPlan(id=one, revision=revisions[one], rules=tuple(rules[one])) for one in revisions)

    def networks(self, revisions: Revisions) -> tuple[NetworkPlan, ...]:
        if not revisions:
            return ()
        theirs: dict[str, list[tuple[str, str | None]]] = {}
        for row in self._db.execute(
            select(subnets).where(subnets.c.network_id.in_(revisions)).order_by(subnets.c.created_at, subnets.c.id)
        ):
            theirs.setdefault(row.network_id, []).append((row.cidr, row.gateway_ip))
        rows = self._db.execute(select(networks.c.id, networks.c.mtu).where(networks.c.id.in_(revisions)))
        return tuple(
            NetworkPlan(id=NetworkId(row.id), revision=revisions[row.id], mtu=row.mtu, subnets=tuple(theirs.get(row.id, ())))
            for row in rows
        )

    def servers(self, revisions: Revisions) -> tuple[ServerPorts, ...]:
        wired = WiredPorts(self._db)
        return tuple(
            ServerPorts(server_id=ServerId(one), revision=revision, ports=wired.of(one)) for one, revision in revisions.items()
        )

    def routers(self, revisions: Revisions) -> tuple[RouterPlan, ...]:
        rows = self._db.execute(select(routers).where(routers.c.id.in_(revisions))).all() if revisions else ()
        return tuple(self._router(row, revisions[row.id]) for row in rows)

    def _router(self, row: Row[Any], revision: int) -> RouterPlan:
        ends, gateways = self._ends(row.id)
        inside = tuple(end for owner, end in ends if owner == ROUTER_INTERFACE)
        outside = next((end for owner, end in ends if owner != ROUTER_INTERFACE), None)
        reached = {subnet_id for _, _, subnet_id in outside.addresses} if outside is not None else set()
        hops = [gateways[subnet_id] for subnet_id in sorted(reached)]
        return RouterPlan(
            id=row.id,
            revision=revision,
            up=row.admin_state_up,
            inside=inside,
            gateway=outside,
            next_hop=tuple(hop for hop in hops if hop is not None),
            snat=row.enable_snat,
            routes=tuple((route["destination"], route["nexthop"]) for route in row.routes),
            floating=self._floating(row.id),
        )

    def _ends(self, router_id: str) -> tuple[list[tuple[str, RouterPort]], dict[str, str | None]]:
        """(owner, port) of each of a router's ports, and the gateway of each subnet they are in."""
        query = (
            select(ports.c.id, ports.c.device_owner, ports.c.network_id, ports.c.mac_address, networks.c.mtu)
            .join_from(ports, networks)
            .where(ports.c.device_id == router_id, ports.c.device_owner.startswith("network:router"))
            .order_by(ports.c.created_at, ports.c.id)
        )
        rows = self._db.execute(query).all()
        addresses, gateways = self._addresses([row.id for row in rows])
        ends = [
            (
                row.device_owner,
                RouterPort(
                    port_id=PortId(row.id),
                    network_id=NetworkId(row.network_id),
                    mac=row.mac_address,
                    mtu=row.mtu,
                    addresses=tuple(addresses.get(row.id, ())),
                ),
            )
            for row in rows
        ]
        return ends, gateways

    def _addresses(self, port_ids: Sequence[str]) -> tuple[dict[str, list[tuple[str, str, SubnetId]]], dict[str, str | None]]:
        query = (
            select(
                port_addresses.c.port_id,
                port_addresses.c.ip_address,
                subnets.c.id.label("subnet_id"),
                subnets.c.cidr,
                subnets.c.gateway_ip,
            )
            .join_from(port_addresses, subnets)
            .where(port_addresses.c.port_id.in_(port_ids))
            .order_by(port_addresses.c.position)
        )
        found: dict[str, list[tuple[str, str, SubnetId]]] = {}
        gateways: dict[str, str | None] = {}
        for row in self._db.execute(query):
            found.setdefault(row.port_id, []).append((row.ip_address, row.cidr, SubnetId(row.subnet_id)))
            gateways[row.subnet_id] = row.gateway_ip
        return found, gateways

    def _floating(self, router_id: str) -> tuple[FloatingAddress, ...]:
        query = (
            select(floating_ips.c.id, floating_ips.c.floating_ip_address, floating_ips.c.fixed_ip_address, ports.c.network_id)
            .join_from(floating_ips, ports, floating_ips.c.port_id == ports.c.id)
            .where(floating_ips.c.router_id == router_id)
            .order_by(floating_ips.c.id)
        )
        return tuple(
            FloatingAddress(
                id=row.id,
                floating_ip=row.floating_ip_address,
                fixed_ip=row.fixed_ip_address,
                network_id=NetworkId(row.network_id),
            )
            for row in self._db.execute(query)
        )


def _rule(row: Row[Any]) -> GroupRule:
    return GroupRule(
        direction=row.direction,
        version=6 if row.ethertype == "IPv6" else 4,
        protocol=row.protocol,
        port_min=row.port_range_min,
        port_max=row.port_range_max,
        remote_cidr=row.remote_ip_prefix,
        remote_group=row.remote_group_id,
    )
