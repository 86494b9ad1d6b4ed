"""What counts against quotas, counted once more from the rows and held against what the ledger counts."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from kilonova.sim.checks.view import View
from kilonova.sim.operations.promise import Violation, violation

VOLUME_WORDS = ("volumes", "gigabytes", "snapshots")


def drift(view: View) -> Iterator[Violation]:
    counted = recount(view)
    for project in sorted(view.usage.keys() | counted.keys()):
        says, is_so = view.usage.get(project, {}), counted.get(project, {})
        for word in sorted(says.keys() | is_so.keys()):
            if says.get(word, 0) != is_so.get(word, 0):
                text = f"{says.get(word, 0)} {word} are counted against its quota, and {is_so.get(word, 0)} are there"
                yield violation("quota", project, text)


def recount(view: View) -> Mapping[str, Mapping[str, int]]:
    """Project → resource → how much of it there is."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for server in view.alive:
        sizes = [server["flavor"], *([server["old_flavor"]] if server["old_flavor"] else [])]
        held = {"cores": max(size["vcpus"] for size in sizes), "ram": max(size["ram_mb"] for size in sizes)}
        found[server["project_id"]].update(instances=1, **held)
    for volume in view.rows["volumes"]:
        found[volume["project_id"]].update(volumes=1, gigabytes=volume["wanted_size_gb"] or volume["size_gb"])
    for snapshot in view.rows["volume_snapshots"]:
        found[snapshot["project_id"]].update(snapshots=1, gigabytes=snapshot["size_gb"])
    for table, word in (("ports", "port"), ("routers", "router"), ("floating_ips", "floatingip"), ("security_groups", "group")):
        for row in view.rows[table]:
            if row["project_id"]:
                found[row["project_id"]][word] += 1
    return found
