"""Real guests: how long from a request until its QEMU runs, beside the same QEMU started by hand. Needs QEMU."""

import json
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.builds import wish
from bench.cloud import Cloud


def request_to_running(cloud: Cloud, image: Path, count: int) -> dict[str, Any]:
    """`count` builds one after the other, the first (which fetches the image and makes the network) not counted."""
    client = cloud.client()
    made = {"name": "guest", "disk_format": "qcow2", "container_format": "bare"}
    image_id = client.send("POST", "/image/v2/images", made)["id"]
    data = image.read_bytes()
    client.send("PUT", f"/image/v2/images/{image_id}/file", data, **{"Content-Type": "application/octet-stream"})
    network = client.send("GET", "/network/v2.0/networks?name=default")["networks"][0]["id"]
    ours = []
    keeper = ""
    for number in range(count + 1):
        body = wish(f"guest-{number}", {"image": image_id, "network": network}, networks=True)
        began = time.perf_counter()
        server = client.send("POST", "/compute/v2.1/servers", body, **{"OpenStack-API-Version": "compute 2.90"})["server"]["id"]
        while (now := client.send("GET", f"/compute/v2.1/servers/{server}")["server"])["status"] == "BUILD":
            time.sleep(0.002)
        took = time.perf_counter() - began
        if now["status"] != "ACTIVE":
            raise RuntimeError(f"{server}: {now.get('fault')}")
        if number:
            ours.append(took)
            client.send("DELETE", f"/compute/v2.1/servers/{server}")
            time.sleep(0.3)
        else:  # keeps the network standing, as in a cloud that has been used before
            keeper = server
            time.sleep(1)
    client.send("DELETE", f"/compute/v2.1/servers/{keeper}")
    by_hand = [_by_hand(image) for _ in range(count)]
    return {
        "request_to_active_ms": round(1000 * statistics.median(ours), 1),
        "qemu_by_hand_ms": round(1000 * statistics.median(by_hand), 1),
        "above_by_hand_ms": round(1000 * (statistics.median(ours) - statistics.median(by_hand)), 1),
        "builds": count,
    }


def _by_hand(image: Path) -> float:
    """Seconds from starting QEMU with an overlay of the image until it says that it runs."""
    qemu = shutil.which("qemu-system-x86_64")
    assert qemu is not None
    with tempfile.TemporaryDirectory() as folder:
        disk, monitor = f"{folder}/disk.qcow2", f"{folder}/qmp"
        overlay = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(image.absolute()), disk, "1G"]
        began = time.perf_counter()
        subprocess.run(overlay, check=True)
        arguments = [qemu, "-nodefaults", "-display", "none", "-accel", "tcg", "-m", "128", "-S"]
        arguments += ["-drive", f"file={disk},if=virtio,format=qcow2", "-qmp", f"unix:{monitor},server=on,wait=off"]
        arguments += ["-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n,romfile=", "-device", "virtio-rng-pci"]
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL)
        try:
            _run(monitor)
            return time.perf_counter() - began
        finally:
            process.kill()
            process.wait()


def _run(monitor: str) -> None:
    """QMP: capabilities, `cont`, and until it is running."""
    with socket.socket(socket.AF_UNIX) as line:
        until = time.monotonic() + 20
        while True:
            try:
                line.connect(monitor)
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > until:
                    raise
                time.sleep(0.001)
        speech = line.makefile("rw")
        speech.readline()
        for command in ("qmp_capabilities", "cont", "query-status"):
            speech.write(json.dumps({"execute": command}) + "\n")
            speech.flush()
            while "return" not in (answer := json.loads(speech.readline())):
                pass
        assert answer["return"]["running"]
