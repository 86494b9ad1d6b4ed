"""A real QEMU machine for the guest image's tests: starts, watches the serial console, speaks QMP and ssh, ends for certain.

Its network is QEMU's own with the outside shut (`restrict`), reachable only at a loopback address of its own.
"""

import json
import random
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pycdlib

SSH = 2222
PATIENCE = 90.0  # an emulated guest on a busy machine


class Machine:
    """One guest started from an overlay of `image`; all its files are in `folder`."""

    def __init__(self, image: Path, folder: Path, *, kind: str = "pc", memory: int = 128, network: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.kind, self.memory, self.network = folder, kind, memory, network
        self.disk = folder / "disk.qcow2"
        self.address = _own_address()
        self.process: subprocess.Popen[bytes] | None = None
        self.key = folder / "key"
        call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key))
        call("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(image.resolve()), str(self.disk), "512M")

    @property
    def public_key(self) -> str:
        return self.key.with_name("key.pub").read_text().strip()

    def start(self, drive: Path | None = None) -> None:
        (self.folder / "console").unlink(missing_ok=True)
        (self.folder / "qmp").unlink(missing_ok=True)
        words = ["qemu-system-x86_64", "-accel", "tcg,tb-size=32", "-M", self.kind, "-m", str(self.memory)]
        words += ["-nodefaults", "-no-user-config", "-display", "none", "-device", "virtio-rng-pci"]
        words += ["-blockdev", f"driver=qcow2,node-name=root,file.driver=file,file.filename={self.disk}"]
        words += ["-device", "virtio-blk-pci,drive=root,bootindex=1"]
        if self.kind == "q35":
            words += ["-device", "pcie-root-port,id=spare"]
        if drive:
            words += ["-blockdev", f"driver=raw,node-name=drive,read-only=on,file.driver=file,file.filename={drive}"]
            words += ["-device", "virtio-blk-pci,drive=drive"]
        if self.network:
            forward = f"tcp:{self.address}:{SSH}-:22"
            words += ["-netdev", f"user,id=net,restrict=on,hostfwd={forward}", "-device", "virtio-net-pci,netdev=net,romfile="]
        words += ["-serial", f"file:{self.folder / 'console'}", "-qmp", f"unix:{self.folder / 'qmp'},server=on,wait=off"]
        self.process = subprocess.Popen(words)

    def console(self) -> str:
        place = self.folder / "console"
        return place.read_text(errors="replace").replace("\r", "") if place.exists() else ""

    def wait_for(self, pattern: str, times: int = 1) -> list[str]:
        """Every match of `pattern` on the console, as soon as there are `times` of them."""
        deadline = time.monotonic() + PATIENCE
        while len(found := re.findall(pattern, self.console(), re.MULTILINE)) < times:
            assert self.process and self.process.poll() is None, f"the machine ended:\n{self.console()[-2000:]}"
            assert time.monotonic() < deadline, f"no {pattern!r} on the console:\n{self.console()[-4000:]}"
            time.sleep(0.1)
        return found

    def wait_ready(self, times: int = 1) -> tuple[str, str]:
        """Instance and address of the ready line, the `times`-th of this start."""
        words = self.wait_for(r"^kilonova-guest: ready uptime=[0-9.]+ (instance=\S+ ip=\S+)$", times)[times - 1]
        instance, address = (word.partition("=")[2] for word in words.split())
        return instance, address

    def ssh(self, command: str) -> str:
        """What `command` prints in the guest; tried again until the guest lets us in."""
        options = [word for option in ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=5")
                   for word in ("-o", option)]  # fmt: skip
        words = ["ssh", "-q", "-F", "none", *options, "-o", "BatchMode=yes", "-i", str(self.key), "-p", str(SSH)]
        deadline = time.monotonic() + PATIENCE
        while True:
            done = subprocess.run([*words, f"root@{self.address}", command], capture_output=True, text=True, timeout=60)
            if done.returncode != 255:
                return done.stdout
            assert time.monotonic() < deadline, done.stderr
            time.sleep(0.3)

    def qmp(self, command: str, **arguments: Any) -> None:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(str(self.folder / "qmp"))
            with connection.makefile("rw") as lines:
                lines.readline()
                for order in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
                    lines.write(json.dumps(order))
                    lines.flush()
                    answer = json.loads(lines.readline())
                    while "event" in answer:
                        answer = json.loads(lines.readline())
                    assert "return" in answer, answer

    def power_off(self) -> float:
        """Press the power button and return after how many seconds the process was gone."""
        assert self.process
        pressed = time.monotonic()
        self.qmp("system_powerdown")
        self.process.wait(PATIENCE)
        return time.monotonic() - pressed

    def end(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait(30)


def config_drive(place: Path, metadata: Mapping[str, object], user_data: str) -> Path:
    """An ISO 9660 image labelled config-2, as the compute service makes it."""
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, vol_ident="config-2", joliet=3, rock_ridge="1.09")
    iso.add_directory("/OPENSTACK", rr_name="openstack", joliet_path="/openstack")
    iso.add_directory("/OPENSTACK/LATEST", rr_name="latest", joliet_path="/openstack/latest")
    files = {"meta_data.json": json.dumps(metadata, indent=2), "user_data": user_data, "network_data.json": "{}"}
    for number, (name, text) in enumerate(files.items()):
        source = place.with_name(f"{place.name}.{name}")
        source.write_text(text)
        iso.add_file(str(source), f"/OPENSTACK/LATEST/F{number}.;1", rr_name=name, joliet_path=f"/openstack/latest/{name}")
    iso.write(str(place))
    iso.close()
    return place


def metadata_service(folder: Path, metadata: Mapping[str, object], user_data: str) -> str:
    """A command QEMU runs for each connection to 169.254.169.254:80; its very first answer is an error."""
    (folder / "meta_data.json").write_text(json.dumps(metadata))
    (folder / "user_data").write_text(user_data)
    script = folder / "answer.py"
    script.write_text(_ANSWER)
    return f"{sys.executable} {script}"


_ANSWER = """
import pathlib, sys
here = pathlib.Path(__file__).parent
words = sys.stdin.readline().split()
while sys.stdin.readline().strip():
    pass
first, file = here / "asked", here / words[1].rpartition("/")[2]
status = "404 Not Found" if not file.exists() else "200 OK" if first.exists() else "503 Not Yet"
first.touch()
body = file.read_bytes() if status == "200 OK" else b""
sys.stdout.buffer.write(f"HTTP/1.0 {status}\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n".encode() + body)
"""


def call(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _own_address() -> str:
    """An address in 127.0.0.0/8 that nobody else is likely to use: a free port of 127.0.0.1 may be taken before QEMU has it."""
    return ".".join(["127", *(str(random.randint(2, 250)) for _ in range(3))])
