"""How much storage a project may have: Cinder's limits and their defaults, for all of it and for each volume type."""

from collections.abc import Mapping

from kilonova.errors import TooLarge
from kilonova.model.quota import UNLIMITED

DEFAULT_VOLUME_QUOTAS: Mapping[str, int] = {
    "volumes": 10,
    "snapshots": 10,
    "gigabytes": 1000,
    "backups": 10,
    "backup_gigabytes": 1000,
    "groups": 10,
    "per_volume_gigabytes": UNLIMITED,
}
"""-1 is unlimited. Backups and groups are limits only: there are none."""
PER_TYPE = ("volumes", "snapshots", "gigabytes")
"""Of these there is also one for each volume type (``volumes_TYPE``), unlimited unless an admin says otherwise."""


def refuse_over(limits: Mapping[str, int], used: Mapping[str, int], more: Mapping[str, int]) -> None:
    """Raises TooLarge when `more` would be too many of anything, in Cinder's words."""
    for resource, amount in more.items():
        most, taken = limits.get(resource, UNLIMITED), used.get(resource, 0)
        if most == UNLIMITED or amount <= 0 or taken + amount <= most:
            continue
        if resource.startswith("gigabytes"):
            raise TooLarge(
                f"Requested volume or snapshot exceeds allowed {resource} quota."
                f" Requested {amount}G, quota is {most}G and {taken}G has been consumed."
            )
        noun = "snapshots" if resource.startswith("snapshots") else "volumes"
        raise TooLarge(f"Maximum number of {noun} allowed ({most}) exceeded for quota '{resource}'.")


def refuse_too_big(limits: Mapping[str, int], size_gb: int) -> None:
    """Raises TooLarge when one volume may not have this size."""
    most = limits["per_volume_gigabytes"]
    if most != UNLIMITED and size_gb > most:
        raise TooLarge(f"Requested volume size {size_gb}G is larger than maximum allowed limit {most}G.")
