"""How much a project may have. Counted inside the transaction that uses it up, so it is exact under any concurrency."""

from msgspec import Struct

from kilonova.errors import QuotaExceeded

UNLIMITED = -1


class ComputeQuota(Struct, frozen=True, kw_only=True):
    """Nova's limits and their defaults; -1 is unlimited. `ram` in MiB."""

    instances: int = 10
    cores: int = 20
    ram: int = 51200
    metadata_items: int = 128
    key_pairs: int = 100
    server_groups: int = 10
    server_group_members: int = 10
    injected_files: int = 5
    injected_file_content_bytes: int = 10240
    injected_file_path_bytes: int = 255
    fixed_ips: int = UNLIMITED
    floating_ips: int = UNLIMITED
    security_groups: int = UNLIMITED
    security_group_rules: int = UNLIMITED
    """These four are shown to old clients, and count for nothing: networks have quotas of their own."""


class ComputeUsage(Struct, frozen=True, kw_only=True):
    """What the project's servers hold now, servers in ERROR included, deleted ones not."""

    instances: int = 0
    cores: int = 0
    ram: int = 0


def servers_that_fit(quota: ComputeQuota, used: ComputeUsage, *, cores: int, ram: int, wanted: int) -> int:
    """How many more servers of this size the project may have, at most `wanted`."""
    fits = wanted
    for limit, taken, each in (
        (quota.instances, used.instances, 1),
        (quota.cores, used.cores, cores),
        (quota.ram, used.ram, ram),
    ):
        if limit != UNLIMITED and each > 0:
            fits = min(fits, max(0, (limit - taken) // each))
    return fits


def refuse(quota: ComputeQuota, used: ComputeUsage, *, cores: int, ram: int, wanted: int) -> QuotaExceeded:
    """The error that says which limit is in the way, in Nova's words."""
    over = [
        (name, asked, taken, limit)
        for name, asked, taken, limit in (
            ("instances", wanted, used.instances, quota.instances),
            ("cores", cores * wanted, used.cores, quota.cores),
            ("ram", ram * wanted, used.ram, quota.ram),
        )
        if limit != UNLIMITED and taken + asked > limit
    ]
    names = ", ".join(o[0] for o in over)
    numbers = [", ".join(str(o[i]) for o in over) for i in (1, 2, 3)]
    return QuotaExceeded(
        f"Quota exceeded for {names}: Requested {numbers[0]}, but already used {numbers[1]} of {numbers[2]} {names}"
    )
