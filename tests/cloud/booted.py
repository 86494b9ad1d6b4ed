"""Guests that have booted our own image, spoken to by ssh from inside their network: no API and no control is needed for it."""

import os
import subprocess
from pathlib import Path
from typing import Any

from kilonova import app, guestimage
from kilonova.settings import load
from tests.cloud.running import Cloud, wait_for

BOOT_S = 180.0
SSH = tuple(
    f"-o{option}"
    for option in (
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "LogLevel=ERROR",
        "ConnectTimeout=5",
        "ServerAliveInterval=5",
        "ServerAliveCountMax=3",
        "IdentitiesOnly=yes",
    )
)


def guest_image() -> Path:
    """Built once, kept in the cache."""
    cache = Path(os.environ.get("KILONOVA_CACHE") or Path(__file__).parents[2] / ".cache") / "guestimage"
    return guestimage.build(cache / "kilonova-guest.qcow2", cache, print)


def new_key(folder: Path) -> Path:
    """An ssh key without a passphrase."""
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=20)
    return key


class Booted:
    """The booted guests of one cloud that has our image and knows our key."""

    def __init__(self, cloud: Cloud, key: Path) -> None:
        self.cloud, self.key = cloud, key
        public = key.with_suffix(".pub").read_text()
        cloud.api.send("POST", "/compute/v2.1/os-keypairs", {"keypair": {"name": "k", "public_key": public}})
        self._image = cloud.api.send("GET", f"/image/v2/images?name={guest_image().stem}")["images"][0]["id"]
        self._ways: dict[str, tuple[str, str]] = {}

    def server(self, name: str, **more: Any) -> str:
        """Its id; it is on its way."""
        return self.cloud.api.build(name, **{"flavorRef": "84", "imageRef": self._image, "key_name": "k", **more})

    def wait(self, server_id: str) -> None:
        """Until it is ACTIVE and its ssh answers."""
        server = self.cloud.api.settled(server_id, BOOT_S)
        assert server["status"] == "ACTIVE", server
        wait_for(lambda: self.run(server_id, "test -e /run/guest/ready") is not None, BOOT_S, f"{server_id} to boot", every_s=1.0)

    def way(self, server_id: str) -> tuple[str, str]:
        """(network namespace, address), asked for once: who is inside needs nobody else."""
        if server_id not in self._ways:
            place = app.reach_guest(load(self.cloud.data, self.cloud.environment), server_id)
            assert place is not None and place.namespace, "it has no network of ours"
            self._ways[server_id] = place.namespace, place.address
        return self._ways[server_id]

    def run(self, server_id: str, command: str, within_s: int = 40) -> str | None:
        """What it printed; None when it failed."""
        namespace, address = self.way(server_id)
        way = ["timeout", "-k2", str(within_s), "nsenter", f"--net=/run/netns/{namespace}", "ssh", *SSH, "-i", str(self.key)]
        done = subprocess.run(
            [*way, f"root@{address}", command], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        return done.stdout if done.returncode == 0 else None
