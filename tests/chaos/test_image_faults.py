"""Images that vanish, shrink or change while a host fetches them, or in its cache; and a host whose disk is full."""

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.chaos.proof import Proof
from tests.chaos.qemu import BOOT_SECTOR, MARKS, NANO, empty, real_cloud
from tests.cloud.running import Cloud, wait_for

pytestmark = MARKS
LIMIT_S = 150
SIZE = 96 << 20
HOST_MB, ROOM_MB = 1100, 48
"""Of the small host: enough for the scheduler, and what is left of it, less than the image."""


class Gate:
    """Between hosts and control: everything passes, of an image only so much while it is closed."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._passes = threading.Event()
        self.port = int(self._listener.getsockname()[1])
        self.target = ("127.0.0.1", 0)
        self.stands = False
        self.open()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self.stands = False
        self._passes.clear()

    def open(self) -> None:
        self._passes.set()

    def end(self) -> None:
        self.open()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._join, args=(client,), daemon=True).start()

    def _join(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection(self.target, timeout=300) as control:
            back = threading.Thread(target=self._carry, args=(control, client), daemon=True)
            back.start()
            self._carry(client, control)
            back.join()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        carried = 0
        with suppress(OSError):
            while piece := source.recv(65536):
                carried += len(piece)
                if carried > SIZE // 3 and not self._passes.is_set():
                    self.stands = True
                    self._passes.wait(120)
                sink.sendall(piece)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.end()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, gate: Gate) -> Iterator[Cloud]:
    with real_cloud(tmp_path_factory.mktemp("image-faults"), public_url=f"http://127.0.0.1:{gate.port}") as cloud:
        gate.target = ("127.0.0.1", int(cloud.listen.rpartition(":")[2]))
        yield cloud


@pytest.fixture(autouse=True)
def clean(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "cloud" in request.fixturenames:
        empty(request.getfixturevalue("cloud"))


class Image:
    """A large one that no host has yet: each has bytes of its own. `stored` is control's file of it."""

    number = 0

    def __init__(self, cloud: Cloud, size: int = SIZE) -> None:
        Image.number += 1
        self._cloud = cloud
        made = {"name": f"large-{Image.number}", "disk_format": "raw", "container_format": "bare", "min_disk": 0}
        self.id = cloud.api.send("POST", "/image/v2/images", made)["id"]
        content = BOOT_SECTOR.ljust(size - 8, b"\0") + Image.number.to_bytes(8, "big")
        cloud.api.send("PUT", f"/image/v2/images/{self.id}/file", content)
        (self.stored,) = (file for file in (cloud.data / "images").rglob("*") if file.is_file() and self.id in str(file))
        assert self.stored.stat().st_size == size

    def goes(self) -> None:
        """What control has lost the audit tells, until it is deleted."""
        status, answer = self._cloud.api.surely("DELETE", f"/image/v2/images/{self.id}")
        assert status == 204, answer


def cached(cloud: Cloud, ending: str = "") -> list[Path]:
    """The files of the host's image cache that are larger than the small image; `ending` ``.part``: those that are under way."""
    found = []
    for file in cloud.data.glob(f"nodes/*/cache/*{ending}"):
        with suppress(FileNotFoundError):
            if file.stat().st_size > 1 << 20:
                found.append(file)
    return found


@contextmanager
def in_the_middle(cloud: Cloud, name: str, image: Image, gate: Gate) -> Iterator[str]:
    """A build that fetches the image, of which a third comes through; the rest afterwards."""
    gate.close()
    server_id = cloud.api.build(name, imageRef=image.id, **NANO)
    try:
        wait_for(lambda: gate.stands, 60, "the download to stand")
        wait_for(lambda: cached(cloud, ".part"), 10, "what has come so far")
        yield server_id
    finally:
        gate.open()


WAYS = ("control's file removed", "control's file cut off", "control's file changed", "the host's file removed", "control silent")


@pytest.mark.family("image vanishes, shrinks or changes while a host fetches it", sample=1)
@pytest.mark.parametrize("way", WAYS)
def test_while_it_is_fetched(cloud: Cloud, gate: Gate, proof: Proof, way: str) -> None:
    image = Image(cloud)
    with in_the_middle(cloud, f"fetch-{WAYS.index(way)}", image, gate) as server_id:
        (part,) = cached(cloud, ".part")
        arrived = part.stat().st_size
        if way == "control's file removed":
            image.stored.unlink()
        elif way == "control's file cut off":
            os.truncate(image.stored, SIZE * 3 // 4)
        elif way == "control's file changed":
            image.stored.chmod(0o600)
            with image.stored.open("r+b") as file:
                file.seek(SIZE - 4096)
                file.write(b"other bytes")
        elif way == "the host's file removed":
            part.unlink()
        else:
            wait_for(lambda: not part.exists(), 60, "the host to give up")
        proof.fired(f"{way} after {arrived >> 20} of {SIZE >> 20} MiB")
    wanted = {
        "control's file cut off": ("ERROR",),
        "control's file changed": ("ERROR",),
        "the host's file removed": ("ACTIVE", "ERROR"),
    }
    cloud.api.settled(server_id, LIMIT_S)
    image.goes()
    proof.promise(cloud, {server_id: wanted.get(way, ("ACTIVE",))}, LIMIT_S)
    if cloud.api.server(server_id)["status"] == "ERROR":
        assert (
            "image" in cloud.api.server(server_id)["fault"]["message"]
            or "disk" in cloud.api.server(server_id)["fault"]["message"]
        )
        assert not cached(cloud, ".part")
    proof.nothing_stays(cloud, (server_id,))


@pytest.mark.family("image vanishes or shrinks in a host's cache", sample=1)
@pytest.mark.parametrize("way", ["removed", "cut off"])
def test_in_the_cache(cloud: Cloud, proof: Proof, way: str) -> None:
    """It is fetched again."""
    for file in cached(cloud):
        file.unlink()
    image = Image(cloud)
    first = cloud.api.build(f"cache-{way}-first".replace(" ", "-"), imageRef=image.id, **NANO)
    proof.promise(cloud, {first: ("ACTIVE",)}, LIMIT_S)
    proof.nothing_stays(cloud, (first,))
    (file,) = cached(cloud)
    if way == "removed":
        file.unlink()
    else:
        os.truncate(file, SIZE // 2)
    proof.recovery_s = None
    proof.fired(f"cached image {way}")
    second = cloud.api.build(f"cache-{way}-second".replace(" ", "-"), imageRef=image.id, **NANO)
    proof.promise(cloud, {second: ("ACTIVE",)}, LIMIT_S)
    assert cached(cloud)[0].stat().st_size == SIZE
    proof.nothing_stays(cloud, (second,))


@pytest.mark.family("image not on control any more", sample=1)
def test_control_has_lost_it(cloud: Cloud, proof: Proof) -> None:
    image = Image(cloud)
    image.stored.unlink()
    proof.fired("control's file removed before the build")
    server_id = cloud.api.build("lost", imageRef=image.id, **NANO)
    cloud.api.settled(server_id, LIMIT_S)
    assert "image without bytes" in {finding["kind"] for finding in cloud.api.audit()["findings"]}, "and the audit tells"
    image.goes()
    proof.promise(cloud, {server_id: ("ERROR",)}, LIMIT_S)
    assert "image" in cloud.api.server(server_id)["fault"]["message"]
    proof.nothing_stays(cloud, (server_id,))


@pytest.mark.family("host out of disk", sample=1)
@pytest.mark.parametrize("when", ["while it copies", "before it begins"])
def test_a_host_out_of_disk(tmp_path: Path, proof: Proof, when: str) -> None:
    """A build that does not fit ends with that reason; one that the journal has no room for waits in its queue."""
    node = tmp_path / "data" / "nodes" / socket.gethostname()
    node.mkdir(parents=True, mode=0o711)
    for folder in (node, node.parent, node.parent.parent):
        folder.chmod(0o711)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={HOST_MB}m,mode=0711", "kilonova-small", str(node)], check=True)
    try:
        with real_cloud(tmp_path) as cloud:
            filler = node / "filler"
            image = Image(cloud)
            free = os.statvfs(node).f_bavail * os.statvfs(node).f_frsize
            with filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, free - (ROOM_MB << 20 if when == "while it copies" else 0))
            proof.fired(f"{os.statvfs(node).f_bavail * os.statvfs(node).f_frsize >> 20} MiB of disk left, {when}")
            server_id = cloud.api.build("no-room", imageRef=image.id, **NANO)
            if when == "while it copies":
                proof.promise(cloud, {server_id: ("ERROR",)}, LIMIT_S)
                assert "no room" in cloud.api.server(server_id)["fault"]["message"], cloud.api.server(server_id)["fault"]
                filler.unlink()
            else:
                wait_for(lambda: "hand_back" in cloud.log("compute"), 60, "an order that the journal had no room for")
                filler.unlink()
                proof.promise(cloud, {server_id: ("ACTIVE",)}, LIMIT_S)
            proof.nothing_stays(cloud, (server_id,))
            fits = cloud.api.build("fits", **NANO)
            proof.promise(cloud, {fits: ("ACTIVE",)}, LIMIT_S)
            proof.nothing_stays(cloud, (fits,))
            assert cloud.down() == 0
            subprocess.run(["umount", str(node)], check=True)
    finally:
        subprocess.run(["umount", "-l", str(node)], check=False, capture_output=True)
