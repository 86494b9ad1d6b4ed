"""Which host? A pure function of a need and a snapshot, that also says why each host was refused."""

from kilonova.scheduler.choose import Choice, Need, choose
from kilonova.scheduler.explain import for_admin, for_owner

__all__ = ["Choice", "Need", "choose", "for_admin", "for_owner"]
