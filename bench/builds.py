"""Builds on simulated hosts: what the control plane costs. Every hop is real but the hypervisor, disks and network."""

import itertools
import os
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

from bench.client import Client
from bench.cloud import Cloud

POLL_S = 0.05


def prepare(cloud: Cloud, client: Client) -> dict[str, str]:
    """An image, the default network, and no quota in the way."""
    made = {"name": "bench", "disk_format": "raw", "container_format": "bare", "visibility": "public"}
    image = client.send("POST", "/image/v2/images", made)["id"]
    client.send("PUT", f"/image/v2/images/{image}/file", bytes(1 << 20), **{"Content-Type": "application/octet-stream"})
    project = client.send("GET", "/identity/v3/auth/projects")["projects"][0]["id"]
    unlimited = {"instances": -1, "cores": -1, "ram": -1}
    client.send("PUT", f"/compute/v2.1/os-quota-sets/{project}", {"quota_set": unlimited})
    client.send("PUT", f"/network/v2.0/quotas/{project}", {"quota": {"port": -1}})
    network = client.send("GET", "/network/v2.0/networks?name=default")["networks"][0]["id"]
    return {"image": image, "network": network}


def wish(name: str, things: dict[str, str], networks: bool) -> dict[str, Any]:
    wired = [{"uuid": things["network"]}] if networks else "none"
    return {"server": {"name": name, "imageRef": things["image"], "flavorRef": "42", "networks": wired}}


def idle(cloud: Cloud, things: dict[str, str], count: int) -> dict[str, float]:
    """One build after another on an idle cloud."""
    client = cloud.client()
    posts, builds = [], []
    for number in range(count):
        began = time.perf_counter()
        server = _create(client, wish(f"idle-{number}", things, networks=True))
        posts.append(time.perf_counter() - began)
        while client.send("GET", f"/compute/v2.1/servers/{server}")["server"]["status"] == "BUILD":
            time.sleep(0.003)
        builds.append(time.perf_counter() - began)
        client.send("DELETE", f"/compute/v2.1/servers/{server}")
        time.sleep(0.1)
    return {
        "post_p50_ms": _p(posts, 50),
        "post_p95_ms": _p(posts, 95),
        "build_p50_ms": _p(builds, 50),
        "build_p95_ms": _p(builds, 95),
    }


def busy(cloud: Cloud, things: dict[str, str], count: int, connections: int, *, networks: bool) -> dict[str, Any]:
    """`count` builds over `connections` connections, from the first POST until all are ACTIVE; then all are deleted."""
    token = cloud.client().token
    tag = f"busy{int(networks)}"
    before, began = cloud.cpu_s(), time.perf_counter()
    numbers = itertools.count()
    posts: list[float] = []

    def build(client: Client) -> bool:
        number = next(numbers)
        if number >= count:
            return False
        at = time.perf_counter()
        _create(client, wish(f"{tag}-{number}", things, networks=networks))
        posts.append(time.perf_counter() - at)
        return True

    _in_parallel(cloud, token, connections, build)
    client = cloud.client(token)
    while client.send("GET", f"/compute/v2.1/servers?name={tag}&status=BUILD&limit=1")["servers"]:
        time.sleep(POLL_S)
    took, after = time.perf_counter() - began, cloud.cpu_s()
    active = _ids(client, f"name={tag}&status=ACTIVE")
    used = {name: round(after[name] - before[name], 2) for name in after}
    deleting = _delete(cloud, client, token, tag, connections)
    return {
        "builds": count,
        "active": len(active),
        "connections": connections,
        "networks": networks,
        "builds_per_s": round(count / took, 1),
        "cpu_ms_per_build": round(1000 * sum(used.values()) / count, 2),
        "cpu_ms_per_build_by_role": {name: round(1000 * seconds / count, 2) for name, seconds in used.items()},
        "post_p50_ms": _p(posts, 50),
        "post_p95_ms": _p(posts, 95),
        "load_average": round(os.getloadavg()[0], 1),
        "deletes_per_s": deleting,
    }


def _delete(cloud: Cloud, client: Client, token: str, tag: str, connections: int) -> float:
    ids = iter(_ids(client, f"name={tag}"))
    lock = threading.Lock()
    began = time.perf_counter()
    gone = itertools.count()

    def delete(client: Client) -> bool:
        with lock:
            server = next(ids, None)
        if server is None:
            return False
        client.send("DELETE", f"/compute/v2.1/servers/{server}")
        next(gone)
        return True

    _in_parallel(cloud, token, connections, delete)
    while client.send("GET", f"/compute/v2.1/servers?name={tag}&limit=1")["servers"]:
        time.sleep(POLL_S)
    return round(next(gone) / (time.perf_counter() - began), 1)


def _in_parallel(cloud: Cloud, token: str, connections: int, work: Callable[[Client], bool]) -> None:
    """`work` again and again over each connection until it says that there is no more. The first error is raised."""
    errors: list[BaseException] = []

    def go_on() -> None:
        client = cloud.client(token)
        try:
            while work(client):
                pass
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=go_on) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def _ids(client: Client, query: str) -> list[str]:
    found: list[str] = []
    while True:
        marker = f"&marker={found[-1]}" if found else ""
        page = [server["id"] for server in client.send("GET", f"/compute/v2.1/servers?{query}&limit=500{marker}")["servers"]]
        found += page
        if len(page) < 500:
            return found


def _create(client: Client, body: dict[str, Any]) -> str:
    answer = client.send("POST", "/compute/v2.1/servers", body, **{"OpenStack-API-Version": "compute 2.90"})
    return str(answer["server"]["id"])


def _p(values: list[float], percent: int) -> float:
    return round(1000 * statistics.quantiles(values, n=100, method="inclusive")[percent - 1], 2)
