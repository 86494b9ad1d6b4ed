"""How many addresses a network's subnets have, and how many ports have one. Plain data."""

from msgspec import Struct


class SubnetAvailability(Struct, frozen=True, kw_only=True):
    """`total_ips` counts the allocation pools, `used_ips` every address that a port has."""

    subnet_id: str
    subnet_name: str
    cidr: str
    ip_version: int
    total_ips: int
    used_ips: int


class NetworkAvailability(Struct, frozen=True, kw_only=True):
    network_id: str
    network_name: str
    project_id: str
    subnets: tuple[SubnetAvailability, ...]
