"""How long is the death of a role felt? `python -m bench recovery` prints one JSON object. A measurement, never a test.

Under a steady load of builds each role in turn is killed with -9: how long until a build that was begun afterwards is ACTIVE,
and until the throughput is 80 % of what it was before; and how many of 100 builds that were in flight at a kill have ended.
"""

import os
import signal
import time
from collections import Counter
from typing import Any

from bench import builds
from bench.cloud import Cloud
from bench.load import Load, back_after_s, goes_on_after_s, throughput

ROLES = ("control", "compute", "network", "volume", "nats")
BEFORE_S = 6.0
AFTER_S = 8.0
IN_FLIGHT = 100


def of_each_role(cloud: Cloud, rate: float) -> dict[str, Any]:
    """role → figures."""
    things = builds.prepare(cloud, cloud.client())
    return {role: {**_under_load(cloud, things, role, rate), **_all_at_once(cloud, things, role)} for role in ROLES}


def _under_load(cloud: Cloud, things: dict[str, str], role: str, rate: float) -> dict[str, Any]:
    token = cloud.client().token
    load = Load(lambda: cloud.client(token), things, f"steady-{role}", rate=rate)
    load.start()
    time.sleep(BEFORE_S)
    struck = _kill(cloud, role)
    time.sleep(AFTER_S)
    seen = load.stop()
    return {
        "goes_on_s": _rounded(goes_on_after_s(seen, struck)),
        "throughput_before": round(throughput(seen, struck - 5.0, struck), 1),
        "throughput_back_s": _rounded(back_after_s(seen, struck)),
        "builds": len(seen),
        "active": sum(build.status == "ACTIVE" for build in seen),
    }


def _all_at_once(cloud: Cloud, things: dict[str, str], role: str) -> dict[str, Any]:
    """100 clients ask at once; the kill comes while the builds are under way."""
    token = cloud.client().token
    load = Load(lambda: cloud.client(token), things, f"burst-{role}", rate=10_000, clients=IN_FLIGHT, each=1, poll_s=0.25)
    load.start()
    while len([build for build in load.builds if build.accepted]) < IN_FLIGHT // 2:
        time.sleep(0.002)
    in_flight = sum(not build.ended for build in load.builds)
    struck = _kill(cloud, role)
    seen = load.stop()
    ends = Counter(build.status or "unknown" for build in seen)
    last = max((build.ended for build in seen if build.began < struck), default=struck)
    return {"in_flight": in_flight, "of_those_and_later": dict(ends), "all_over_s": _rounded(last - struck)}


def _kill(cloud: Cloud, role: str) -> float:
    struck = time.monotonic()
    os.kill(cloud.pids()[role], signal.SIGKILL)
    return struck


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
