"""The tables of routers and floating IPs, and of what a network node is to make true. No query."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from kilonova.ledger.network_tables import named
from kilonova.ledger.schema import Packed, metadata

routers = Table(
    "routers",
    metadata,
    *named(),
    Column("admin_state_up", Boolean, nullable=False),
    Column("enable_snat", Boolean, nullable=False),
    Column("gateway_network_id", ForeignKey("networks.id"), index=True),
    Column("gateway_port_id", ForeignKey("ports.id")),
    Column("routes", Packed, nullable=False),
    Column("availability_zone_hints", Packed, nullable=False),
)

floating_ips = Table(
    "floating_ips",
    metadata,
    *named(),
    Column("floating_network_id", ForeignKey("networks.id"), nullable=False),
    Column("floating_ip_address", String(64), nullable=False),
    Column("floating_port_id", ForeignKey("ports.id"), nullable=False),
    Column("port_id", ForeignKey("ports.id", ondelete="SET NULL"), index=True),
    Column("fixed_ip_address", String(64)),
    Column("router_id", ForeignKey("routers.id"), index=True),
    Column("status", String(16), nullable=False),
    UniqueConstraint("floating_network_id", "floating_ip_address"),
    UniqueConstraint("floating_network_id", "port_id", "fixed_ip_address"),
)
"""`floating_port_id` is the port on the external network that holds the address; `port_id` the one it leads to."""

fabric = Table(
    "fabric",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("wanted", Integer, nullable=False),
    Column("confirmed", Integer, nullable=False, default=0),
    Column("gone", Boolean, nullable=False, default=False),
    Column("settled", Boolean, nullable=False, default=False),
    Column("refused", Text),
    Index("ix_fabric_settled", "settled"),
)
"""`wanted`: the newest revision of the plan; `settled`: the node has confirmed it; `gone`: it must not be there; `refused`: why
the node could not."""
