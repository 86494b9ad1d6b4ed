"""Why no host fits, in a sentence: by class for owners, who must not learn host names; by name for admins."""

from collections import Counter

from kilonova.scheduler.choose import Choice, Need


def for_owner(need: Need, choice: Choice) -> str:
    """``No valid host was found. 12 hosts: not enough memory; 3 hosts: wrong zone. It would fit with at most 12288 MB …``"""
    if not choice.refused:
        return "No valid host was found. The cloud has no hosts yet."
    counts = Counter(choice.refused.values())
    parts = [f"{n} {'host' if n == 1 else 'hosts'}: {reason}" for reason, n in counts.most_common()]
    hint = _hint(need, choice)
    return f"No valid host was found. {'; '.join(parts)}.{' ' + hint if hint else ''}"


def for_admin(choice: Choice) -> str:
    """The same with every host by name."""
    return "; ".join(f"{host}: {reason}" for host, reason in sorted(choice.refused.items()))


def _hint(need: Need, choice: Choice) -> str:
    """What would have fitted, if the request's size is all that was in the way."""
    limits = []
    if 0 < choice.largest_ram_mb < need.ram_mb:
        limits.append(f"{choice.largest_ram_mb} MB of memory")
    if 0 < choice.largest_vcpus < need.vcpus:
        limits.append(f"{choice.largest_vcpus} vCPUs")
    if 0 < choice.largest_disk_gb < need.disk_gb:
        limits.append(f"{choice.largest_disk_gb} GB of disk")
    return f"It would fit with at most {' and '.join(limits)}." if limits else ""
