"""``python -m bench``, ``python -m bench recovery``: JSON on standard output, progress on standard error."""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import builds, guests, recovery
from bench.cloud import Cloud
from kilonova.guestimage import cached

NOVA = {"builds_per_s": 2.46, "cpu_ms_per_build": 768, "post_idle_p50_ms": 84, "memory_mb": 1907}
"""Nova 34 with its fake driver on a machine like this one (2 cores, 24 GiB): the figures of 2026 that ours stand beside."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=["costs", "recovery"], default="costs")
    parser.add_argument("--rate", type=float, default=20.0, help="builds a second, for recovery")
    parser.add_argument("--builds", type=int, default=1000)
    parser.add_argument("--hosts", type=int, default=100)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--guests", type=int, default=5, help="real builds; 0 for none")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kilonova-bench-") as folder:
        if given.what == "recovery":
            result: dict[str, Any] = _recovery(Path(folder), given)
        else:
            result = _costs(Path(folder), given)
    text = json.dumps(result, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")


def _recovery(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    _say(f"each role is killed under {given.rate:.0f} builds a second, and with {recovery.IN_FLIGHT} builds in flight")
    with Cloud(folder / "recovery", "--hypervisor", "simulated", "--simulated-hosts", str(given.hosts)) as cloud:
        return {"recovery": recovery.of_each_role(cloud, given.rate), "load_average": round(os.getloadavg()[0], 1)}


def _costs(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    result: dict[str, Any] = {"nova_34": NOVA, "simulated": _simulated(folder / "simulated", given)}
    image = cached(Path(os.environ.get("KILONOVA_CACHE", ".cache")) / "guestimage")
    if given.guests and image is not None:
        _say(f"{given.guests} real guests")
        with Cloud(folder / "real") as cloud:
            result["real"] = guests.request_to_running(cloud, image, given.guests)
    return result


def _simulated(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    _say(f"a simulated cloud of {given.hosts} hosts")
    with Cloud(folder, "--hypervisor", "simulated", "--simulated-hosts", str(given.hosts)) as cloud:
        things = builds.prepare(cloud, cloud.client())
        time.sleep(1)
        found: dict[str, Any] = {"hosts": given.hosts, "ready_s": round(cloud.ready_s, 2), "pss_mb_idle": cloud.pss_mb()}
        found["idle"] = builds.idle(cloud, things, 20)
        for networks in (False, True):
            _say(
                f"{given.builds} builds over {given.connections} connections, {'one network each' if networks else 'no network'}"
            )
            name = "with_network" if networks else "without_network"
            found[name] = builds.busy(cloud, things, given.builds, given.connections, networks=networks)
        found["pss_mb_after"] = cloud.pss_mb()
        found["pss_mb_after_sum"] = round(sum(found["pss_mb_after"].values()), 1)
        return found


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


main()
