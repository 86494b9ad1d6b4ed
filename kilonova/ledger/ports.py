"""Ports as the network API makes and changes them. Ports that a server's order makes are in server_ports.py."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from msgspec import UNSET
from sqlalchemy import ColumnElement, Connection, Row, false, or_, select, update

from kilonova.errors import BadRequest, Conflict, Forbidden
from kilonova.ledger import network_listing
from kilonova.ledger.fixed_ips import FixedIps, Holder
from kilonova.ledger.network_listing import Shelf
from kilonova.ledger.network_quotas import NetworkQuotas
from kilonova.ledger.network_rows import NetworkRows
from kilonova.ledger.network_tables import networks, port_addresses, port_groups, ports
from kilonova.ledger.network_tags import Tags
from kilonova.ledger.port_table import PortTable
from kilonova.ledger.routing.associations import Associations
from kilonova.ledger.routing.fabric import ROUTER, SERVER, Fabric
from kilonova.ledger.routing.own_ports import service_port
from kilonova.ledger.routing.tables import floating_ips, routers
from kilonova.ledger.security_groups import SecurityGroups
from kilonova.model.caller import Caller
from kilonova.model.ids import new_uuid
from kilonova.model.network import SERVER_OWNER, Listing, NetworkPort
from kilonova.model.network_rights import admin_only, network_owner_only, owner, refuse_stranger
from kilonova.model.network_wish import FixedIpWish, NewPort, PortChanges
from kilonova.model.port_rules import address_pairs, dhcp_options, read_mac, vnic_type
from kilonova.model.router import FLOATING_IP, ROUTER_GATEWAY, ROUTER_INTERFACE, ROUTING_OWNERS

NETWORK_OWNER = "network:"


def _visible(caller: Caller) -> ColumnElement[bool]:
    if not caller.project_id:
        return false()  # the ports that belong to no project are for admins
    mine = select(networks.c.id).where(networks.c.project_id == caller.project_id)
    return or_(ports.c.project_id == caller.project_id, ports.c.network_id.in_(mine))


def _with_fixed_ips(values: Sequence[str]) -> ColumnElement[bool]:
    """``fixed_ips=ip_address=10.0.0.4`` and ``subnet_id=…``: one address must satisfy both kinds."""
    wanted: dict[str, list[str]] = {}
    for value in values:
        key, equals, text = value.partition("=")
        if not equals or key not in ("ip_address", "subnet_id", "ip_address_substr"):
            raise BadRequest("Invalid input for fixed_ips. Reason: ip_address=, ip_address_substr= or subnet_id= is expected.")
        wanted.setdefault(key, []).append(text)
    query = select(port_addresses.c.port_id)
    if "ip_address" in wanted:
        query = query.where(port_addresses.c.ip_address.in_(wanted["ip_address"]))
    if "subnet_id" in wanted:
        query = query.where(port_addresses.c.subnet_id.in_(wanted["subnet_id"]))
    if "ip_address_substr" in wanted:
        like = [port_addresses.c.ip_address.contains(text, autoescape=True) for text in wanted["ip_address_substr"]]
        query = query.where(or_(*like))
    return ports.c.id.in_(query)


def _with_groups(values: Sequence[str]) -> ColumnElement[bool]:
    return ports.c.id.in_(select(port_groups.c.port_id).where(port_groups.c.security_group_id.in_(values)))


_c = ports.c
SHELF = Shelf(
    noun="Port",
    table=ports,
    columns={
        "id": _c.id,
        "name": _c.name,
        "description": _c.description,
        "project_id": _c.project_id,
        "tenant_id": _c.project_id,
        "network_id": _c.network_id,
        "mac_address": _c.mac_address,
        "admin_state_up": _c.admin_state_up,
        "status": _c.status,
        "device_id": _c.device_id,
        "device_owner": _c.device_owner,
        "binding:host_id": _c.host,
        "binding:vnic_type": _c.vnic_type,
        "port_security_enabled": _c.port_security_enabled,
        "revision_number": _c.revision_number,
        "created_at": _c.created_at,
        "updated_at": _c.updated_at,
    },
    visible=_visible,
    special={"fixed_ips": _with_fixed_ips, "security_groups": _with_groups},
)


class Ports:
    def __init__(
        self,
        connection: Connection,
        rows: NetworkRows,
        groups: SecurityGroups,
        quotas: NetworkQuotas,
        tags: Tags,
        fabric: Fabric,
    ) -> None:
        self._connection = connection
        self._networks = rows
        self._groups = groups
        self._quotas = quotas
        self._tags = tags
        self._fixed = FixedIps(connection)
        self._fabric = fabric
        self._associations = Associations(connection, fabric)
        self._table = PortTable(connection, tags)

    def get(self, thing_id: str, caller: Caller) -> NetworkPort:
        return self._table.read([network_listing.get(self._connection, SHELF, thing_id, caller)])[0]

    def find(self, wanted: Listing, caller: Caller) -> Sequence[NetworkPort]:
        if not caller.is_admin and "binding:host_id" in wanted.filters:
            raise Forbidden("Filtering by binding:host_id is disallowed by policy.", kind="PolicyNotAuthorized")
        return self._table.read(network_listing.find(self._connection, SHELF, wanted, caller))

    def create(self, wish: NewPort, caller: Caller, now: float) -> NetworkPort:
        network = self._networks.row(wish.network_id, caller)
        project_id = owner(wish.owner, caller)
        _check_rights(wish, network, caller)
        self._quotas.make_room("port", project_id)
        if wish.mac_address:
            mac = read_mac(wish.mac_address)
            self._table.refuse_taken_mac(network.id, mac)
        else:
            mac = self._table.free_mac(network.id)
        secure = network.port_security_enabled if wish.port_security_enabled is UNSET else wish.port_security_enabled
        pairs = address_pairs(wish.allowed_address_pairs, mac)
        if pairs and not secure:
            raise _pairs_need_security()
        groups = self._new_groups(wish, project_id, secure, caller, now)
        port_id = new_uuid()
        times = {"created_at": now, "updated_at": now, "revision_number": 1}
        values = {"mac_address": mac, "port_security_enabled": secure, "allowed_address_pairs": msgspec.to_builtins(pairs)}
        self._table.insert({**_said(wish), **values, **times, "id": port_id, "project_id": project_id, "network_id": network.id})
        self._table.set_groups(port_id, groups, fresh=True)
        self._fixed.give(Holder(port_id=port_id, network_id=network.id, mac=mac), wish.fixed_ips)
        if wish.tags is not UNSET:
            self._tags.replace(port_id, wish.tags)
        return self.get(port_id, caller)

    def change(self, thing_id: str, changes: PortChanges, caller: Caller, now: float) -> NetworkPort:
        port = self.get(thing_id, caller)
        network = self._networks.row_of(port.network_id)
        if port.project_id != caller.project_id:
            refuse_stranger(network.project_id, caller)
        _check_rights(changes, network, caller, [one.ip_address for one in port.fixed_ips])
        values = self._changed(port, changes)
        groups = self._changed_groups(port, changes, values, caller)
        self._connection.execute(
            update(ports).where(_c.id == thing_id).values(**values, updated_at=now, revision_number=_c.revision_number + 1)
        )
        if groups is not None:
            self._table.set_groups(thing_id, groups)
        if changes.fixed_ips is not UNSET:
            self._change_addresses(port, changes.fixed_ips or [], values.get("mac_address", port.mac_address))
        self._tell(port)
        return self.get(thing_id, caller)

    def remove(self, thing_id: str, caller: Caller) -> None:
        port = self.get(thing_id, caller)
        if port.project_id != caller.project_id:
            refuse_stranger(self._networks.row_of(port.network_id).project_id, caller)
        if port.device_owner in ROUTING_OWNERS and port.fixed_ips and self._has_master(port):
            raise service_port(port.id, port.device_owner)
        self._associations.let_go([thing_id])
        self._fixed.release([thing_id])
        self._table.remove([thing_id])
        self._tell(port)

    def _change_addresses(self, port: NetworkPort, wanted: list[FixedIpWish], mac: str) -> None:
        is_router = port.device_owner in ROUTING_OWNERS
        holder = Holder(port_id=port.id, network_id=port.network_id, mac=mac, is_router=is_router)
        self._associations.let_go_of(port.id, self._fixed.change(holder, port.fixed_ips, wanted))

    def _tell(self, port: NetworkPort) -> None:
        """The network node hears of it, if the port is anything to it."""
        if port.device_id and port.device_owner.startswith(SERVER_OWNER):
            self._fabric.changed(SERVER, [port.device_id])
        elif port.device_owner in (ROUTER_INTERFACE, ROUTER_GATEWAY) and self._has_master(port):
            self._fabric.changed(ROUTER, [port.device_id])

    def _has_master(self, port: NetworkPort) -> bool:
        """Whether the router or floating IP that a port says it belongs to is there."""
        table = floating_ips if port.device_owner == FLOATING_IP else routers
        return self._connection.execute(select(table.c.id).where(table.c.id == port.device_id)).first() is not None

    def _new_groups(self, wish: NewPort, project_id: str, secure: bool, caller: Caller, now: float) -> list[str]:
        wanted = wish.security_groups
        if wanted is not UNSET and wanted:
            if not secure:
                raise _groups_need_security()
            return self._groups.known(wanted, caller)
        if wanted is UNSET and secure and not wish.device_owner.startswith(NETWORK_OWNER):
            return [self._groups.make_default(project_id, now)]
        return []

    def _changed(self, port: NetworkPort, changes: PortChanges) -> dict[str, Any]:
        """The columns that are new. Raises BadRequest, Conflict."""
        values: dict[str, Any] = {}
        for name in ("name", "description", "admin_state_up", "device_id", "device_owner", "port_security_enabled"):
            if (said := getattr(changes, name)) is not UNSET:
                values[name] = said
        if changes.host is not UNSET:
            values["host"] = changes.host or ""
        if changes.profile is not UNSET:
            values["profile"] = dict(changes.profile or {})
        if changes.vnic_type is not UNSET:
            values["vnic_type"] = vnic_type(changes.vnic_type)
        if changes.mac_address is not UNSET and (mac := read_mac(changes.mac_address)) != port.mac_address:
            if port.host:
                message = f"Unable to complete operation on port {port.id}, port is already bound."
                raise Conflict(message, kind="PortBound")
            self._table.refuse_taken_mac(port.network_id, mac)
            values["mac_address"] = mac
        if changes.allowed_address_pairs is not UNSET:
            pairs = address_pairs(changes.allowed_address_pairs, values.get("mac_address", port.mac_address))
            values["allowed_address_pairs"] = msgspec.to_builtins(pairs)
        if changes.extra_dhcp_opts is not UNSET:
            options = dhcp_options(port.extra_dhcp_opts, changes.extra_dhcp_opts)
            values["extra_dhcp_opts"] = msgspec.to_builtins(options)
        has_pairs = values.get("allowed_address_pairs", port.allowed_address_pairs)
        if has_pairs and not values.get("port_security_enabled", port.port_security_enabled):
            raise _pairs_need_security()
        return values

    def _changed_groups(
        self, port: NetworkPort, changes: PortChanges, values: dict[str, Any], caller: Caller
    ) -> list[str] | None:
        """The port's new groups, or None when they stay."""
        groups = None
        if changes.security_groups is not UNSET:
            groups = self._groups.known(changes.security_groups or [], caller)
        if not values.get("port_security_enabled", port.port_security_enabled):
            if groups:
                raise _groups_need_security()
            if groups is None and port.security_groups:
                message = "Port has security group associated. Cannot disable port security or IP address until it is removed."
                raise Conflict(message, kind="PortSecurityPortHasSecurityGroup")
        return groups


def _check_rights(wish: NewPort | PortChanges, network: Row[Any], caller: Caller, held: Collection[str] = ()) -> None:
    """What only admins, or only the network's owner, may say about a port. The addresses it holds are nothing new."""
    if isinstance(wish, NewPort) and network.external and not network.shared:
        network_owner_only(network.project_id, caller, "a port")
    if wish.host is not UNSET and wish.host:
        admin_only(caller, "binding:host_id")
    if wish.profile is not UNSET and wish.profile:
        admin_only(caller, "binding:profile")
    named = wish.fixed_ips is not UNSET and any(one.ip_address and one.ip_address not in held for one in wish.fixed_ips or ())
    for attribute, said in (
        ("mac_address", wish.mac_address is not UNSET and wish.mac_address is not None),
        ("fixed_ips", named),
        ("port_security_enabled", wish.port_security_enabled is not UNSET),
        ("allowed_address_pairs", wish.allowed_address_pairs is not UNSET and bool(wish.allowed_address_pairs)),
        ("device_owner", wish.device_owner is not UNSET and wish.device_owner.startswith(NETWORK_OWNER)),
    ):
        if said:
            network_owner_only(network.project_id, caller, attribute)


def _said(wish: NewPort) -> dict[str, Any]:
    """The columns that are taken as the client said them."""
    return {
        "name": wish.name,
        "description": wish.description,
        "admin_state_up": wish.admin_state_up,
        "status": "DOWN",
        "device_id": wish.device_id,
        "device_owner": wish.device_owner,
        "host": wish.host or "",
        "vnic_type": vnic_type(wish.vnic_type),
        "profile": dict(wish.profile or {}),
        "extra_dhcp_opts": msgspec.to_builtins(dhcp_options((), wish.extra_dhcp_opts)),
        "made_for_server": False,
        "position": 0,
    }


def _pairs_need_security() -> Conflict:
    return Conflict("Address Pairs require Port Security to be enabled.", kind="AddressPairAndPortSecurityRequired")


def _groups_need_security() -> BadRequest:
    message = "Port security must be enabled in order to have security groups on a port."
    return BadRequest(message, kind="PortSecurityAndIPRequiredForSecurityGroups")
