"""Volumes of one node, one role after the other, and a client as a guest's QEMU is one. Everything served is ended."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from kilonova.build.needs import Progress
from kilonova.drivers.volumes.files import VolumeFiles, VolumeSettings
from kilonova.lifecycle.volume_work import VolumeOrder, Work
from kilonova.model.ids import NodeName, new_uuid
from kilonova.model.image import BootImage
from kilonova.model.volume_link import NbdAddress

MIB = 1 << 20
Restart = Callable[[], VolumeFiles]


class Images:
    """Fetches what it was given by id, and keeps what is sent."""

    def __init__(self) -> None:
        self.offered: dict[str, bytes] = {}
        self.sent: dict[str, bytes] = {}

    async def fetch(self, image: BootImage, ticket: str, into: Path, progress: Progress) -> None:
        into.write_bytes(self.offered[image.id])

    async def send(self, image_id: str, ticket: str, path: Path, progress: Progress) -> None:
        self.sent[image_id] = path.read_bytes()


@pytest.fixture
def images() -> Images:
    return Images()


@pytest.fixture
async def volumes(tmp_path: Path, images: Images) -> AsyncIterator[Restart]:
    """Makes the drivers of the same node, as a restarted role would."""
    if shutil.which("qemu-storage-daemon") is None or shutil.which("qemu-img") is None:
        pytest.skip("qemu-storage-daemon is not installed")
    made: list[VolumeFiles] = []
    home = tmp_path / "node"
    home.mkdir(mode=0o700)

    def make() -> VolumeFiles:
        made.append(VolumeFiles(home, images, images, VolumeSettings(largest_gb=10)))
        return made[-1]

    yield make
    for one in made:
        await one.close(True)
    await make().close(False)


def order(work: Work = "create", volume_id: str = "", **more: Any) -> VolumeOrder:
    now = time.time()
    known = {"work_id": new_uuid(), "size_gb": 1, "node": NodeName("v"), "deadline": now + 60, "ordered_at": now, **more}
    return VolumeOrder(work=work, volume_id=volume_id or new_uuid(), **known)


class Client:
    """What a guest does with a volume: over NBD with its own key, by QEMU's own client."""

    def __init__(self, folder: Path, address: NbdAddress) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "keys.psk").write_text(f"{address.user}:{address.key}\n")
        self._tls = f"tls-creds-psk,id=tls,endpoint=client,dir={folder},username={address.user}"
        self._image = (
            f"driver=nbd,server.type=inet,server.host={address.host},server.port={address.port},"
            f"export={address.export},tls-creds=tls"
        )

    async def write(self, text: str, at: int = 0) -> None:
        """A letter, repeated over 64 KiB."""
        await self._io(f"write -P {ord(text)} {at} 65536")

    async def reads(self, text: str, at: int = 0) -> bool:
        try:
            await self._io(f"read -P {ord(text)} {at} 65536")
        except subprocess.CalledProcessError:
            return False
        return True

    async def _io(self, command: str) -> str:
        words = ["qemu-io", "--object", self._tls, "--image-opts", self._image, "-c", command]
        done = await asyncio.to_thread(subprocess.run, words, capture_output=True, text=True, timeout=30)
        said = done.stdout + done.stderr
        if done.returncode or "failed" in said:
            raise subprocess.CalledProcessError(done.returncode or 1, words, said)
        return done.stdout


def raw_of(volumes: VolumeFiles, tmp_path: Path, volume_id: str) -> bytes:
    """The first MiB of a volume that is not served, as qemu-img reads it."""
    file, out = tmp_path / "node" / "volumes" / volume_id / "volume.qcow2", tmp_path / "raw"
    subprocess.run(
        ["qemu-img", "dd", "-f", "qcow2", "-O", "raw", "bs=1M", "count=1", f"if={file}", f"of={out}"],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    return out.read_bytes()
