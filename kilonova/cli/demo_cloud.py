"""The cloud of `kilonova demo`: `kilonova up` as a process of its own, and what of it can be found on this machine."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from kilonova import app
from kilonova.drivers.network.outside import link_prefix
from kilonova.errors import Unavailable
from kilonova.settings import load

END_WITHIN_S = 60.0
GONE_WITHIN_S = 5.0


class DemoCloud:
    """One cloud in the folder `data`, listening on a loopback `port`."""

    def __init__(self, data: Path, port: int) -> None:
        self.data, self.port = data, port
        self.logs = data / "log"
        self._log = data / "log" / "up.log"
        self._process: subprocess.Popen[bytes] | None = None

    @contextlib.contextmanager
    def started(self) -> Iterator[None]:
        """In a session of its own, so that Ctrl-C is for the demo, which then ends it in order. Raises Unavailable."""
        self.logs.mkdir(parents=True, mode=0o700)
        argv = [sys.executable, "-P", "-m", "kilonova.cli", "up", "--data", str(self.data), "--listen", f"127.0.0.1:{self.port}"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            yield
        finally:
            self._end(self._process)

    def is_ready(self) -> bool:
        """Raises Unavailable with its last words when it has ended instead."""
        lines = self._log.read_text(errors="replace").splitlines()
        if self._process is not None and self._process.poll() is not None:
            raise Unavailable(f"The cloud did not start: {lines[-1] if lines else 'it said nothing'}")
        return any(line.startswith("ready ") for line in lines)

    def guests(self) -> list[int]:
        """The process ids of its guests."""
        return [pid for pid, words in self._processes().items() if "qemu-system" in words[0]]

    def processes(self) -> list[int]:
        """The process ids of all that names this cloud's folder."""
        return list(self._processes())

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        try:
            code = process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Unavailable(f"The cloud did not end within {END_WITHIN_S:.0f} s and was killed.") from None
        if code not in (0, -15) and sys.exc_info()[0] is None:
            raise Unavailable(f"The cloud ended with exit code {code}.")

    def _processes(self) -> dict[int, list[str]]:
        found = {}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and int(entry.name) != os.getpid():
                    words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                    if any(str(self.data) in word for word in words):
                        found[int(entry.name)] = words
        return found


def leftovers(cloud: DemoCloud) -> list[str]:
    """What is still there of a cloud that has ended, in a few words each; a process gets a moment to be gone."""
    deadline = time.monotonic() + GONE_WITHIN_S
    while cloud.processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    mark = link_prefix(app.cloud_mark(load(cloud.data)))
    left = [f"process {pid}" for pid in cloud.processes()]
    for kind, folder in (("network namespace", Path("/run/netns")), ("link", Path("/sys/class/net"))):
        if folder.is_dir():
            left += [f"{kind} {entry.name}" for entry in folder.iterdir() if entry.name.startswith(mark)]
    return left
