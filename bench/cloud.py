"""A cloud to be measured: started as a user starts it, its processes found by their pid files, ended at the end."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from bench.client import Client

TICKS = os.sysconf("SC_CLK_TCK")


class Cloud:
    """`kilonova up` in `folder`; a context manager. `ready_s`: from the command to its `ready` line."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder, self._arguments = folder, arguments
        self.port = _free_port()
        self.ready_s = 0.0

    def __enter__(self) -> "Cloud":
        command = [sys.executable, "-m", "kilonova.cli", "up", "--data", str(self.folder), "--listen", f"127.0.0.1:{self.port}"]
        began = time.perf_counter()
        self._process = subprocess.Popen([*command, *self._arguments], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("ready "):
            raise RuntimeError(f"the cloud did not start: {line!r}")
        self.ready_s = time.perf_counter() - began
        return self

    def __exit__(self, *error: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)

    def client(self, token: str = "") -> Client:
        client = Client("127.0.0.1", self.port, token)
        if not token:
            client.log_in((self.folder / "secrets" / "admin-password").read_text().strip())
        return client

    def pids(self) -> dict[str, int]:
        """Every process of the cloud but its guests: the roles and the one that supervises them."""
        roles = {file.stem: int(file.read_text()) for file in (self.folder / "run").glob("*.pid")}
        return {"up": self._process.pid, **roles}

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds that each has used so far."""
        used = {}
        for name, pid in self.pids().items():
            words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            used[name] = (int(words[11]) + int(words[12])) / TICKS
        return used

    def pss_mb(self) -> dict[str, float]:
        """Memory of each, shared pages divided among those who share them."""
        found = {}
        for name, pid in self.pids().items():
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            found[name] = round(sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024, 1)
        return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
