"""`kilonova up` as a real process, its API, and what of it can be seen on the machine. No knowledge of what a test is about."""

import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kilonova.app import cloud_mark
from kilonova.settings import load
from tests.cloud.processes import command_line, guests_of, processes_of

READY_WITHIN_S = 90.0
ENDED_WITHIN_S = 60.0
PATIENCE_S = 30.0


class Cloud:
    """One cloud in `folder`; `settings` go into its environment, `options` onto its command line."""

    def __init__(self, folder: Path, *options: str, hosts: int = 2, **settings: object) -> None:
        self.data = folder / "data"
        self.listen = f"127.0.0.1:{free_port()}"
        simulated = () if "--hypervisor" in options else ("--hypervisor", "simulated", "--simulated-hosts", str(hosts))
        self.options: tuple[str, ...] = (*simulated, *options)
        self.environment = {f"KILONOVA_{name.upper()}": str(value) for name, value in settings.items()}
        self.output = folder / "up.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.api = Api(self)

    # Its life

    def launch(self, *more: str) -> "subprocess.Popen[bytes]":
        """Start `up` and do not wait."""
        argv = [sys.executable, "-m", "kilonova.cli", "up", "--data", str(self.data), "--listen", self.listen]
        self.output.parent.mkdir(parents=True, exist_ok=True)
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [*argv, *self.options, *more], env={**os.environ, **self.environment}, stdout=output, stderr=output
            )
        return self.process

    def up(self, *more: str) -> float:
        """Start and wait for ``ready URL``; the seconds it took."""
        said = self.output.stat().st_size if self.output.exists() else 0
        began = time.monotonic()
        process = self.launch(*more)
        wait_for(lambda: self.says("ready http", said) or process.poll() is not None, READY_WITHIN_S, "the cloud", every_s=0.02)
        took = time.monotonic() - began
        assert self.says("ready http", said), self.output.read_text()[-2000:]
        self.api.forget()
        return took

    def says(self, words: str, since: int = 0) -> bool:
        return words in self.output.read_text()[since:]

    def down(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end and wait; the exit code."""
        assert self.process is not None
        self.process.send_signal(with_signal)
        return self.process.wait(ENDED_WITHIN_S)

    def end_for_sure(self) -> None:
        """For the end of a test that failed: nothing of it may stay."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(ENDED_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        for pid in processes_of(self.data):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if (self.data / "run").exists():
            self.verb("clean", check=False)

    def verb(self, *argv: str, check: bool = True, within_s: int = 120) -> "subprocess.CompletedProcess[str]":
        """Another verb of the command line, on this cloud; after `within_s` it and what it has started end, with code 124."""
        name, *rest = argv
        return subprocess.run(
            ["timeout", "-k2", str(within_s), sys.executable, "-m", "kilonova.cli", name, "--data", str(self.data), *rest],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=check,
        )

    # Its roles

    def pid(self, role: str) -> int:
        """Of the process that serves this role now."""
        return int((self.data / "run" / f"{role}.pid").read_text())

    def kill(self, role: str) -> int:
        """-9, and wait until there is another one; the pid that is gone."""
        old = self.pid(role)
        os.kill(old, signal.SIGKILL)
        place = self.data / "run" / f"{role}.pid"

        def another() -> bool:
            try:
                return place.read_text().strip() not in ("", str(old))  # empty for an instant while it is written
            except FileNotFoundError:
                return False

        wait_for(another, 20, f"another {role}")
        return old

    def log(self, role: str) -> str:
        return (self.data / "log" / f"{role}.log").read_text(errors="replace")

    # Faults

    def want_fault(self, *faults: str) -> None:
        """For a cloud with ``faults=file``: these from now on, whatever has fired before."""
        folder = self.data / "faults"
        folder.mkdir(exist_ok=True)
        for fault in faults:
            (folder / fault.partition("=")[0]).unlink(missing_ok=True)
        new = folder / "wanted.new"
        new.write_text(",".join(faults))
        new.replace(folder / "wanted")

    def fired(self, point: str) -> bool:
        return (self.data / "faults" / point).exists()

    # Its books

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Straight out of the ledger's file."""
        base = sqlite3.connect(f"file:{self.data / 'ledger.sqlite'}?mode=ro", uri=True, timeout=10)
        try:
            return list(base.execute(query).fetchall())
        finally:
            base.close()

    def holds(self) -> dict[str, Any]:
        """Everything that is held for servers, in the ledger and on the simulated nodes; empty when all is given back."""
        found: dict[str, Any] = {
            "orders": self.rows("SELECT id FROM orders"),
            "claims": self.rows("SELECT server_id, host FROM claims"),
            "ports": self.rows("SELECT id, device_id FROM ports"),
            "hosts": self.rows(
                "SELECT name, vcpus_used, ram_mb_used, disk_gb_used, servers FROM hosts"
                " WHERE vcpus_used != 0 OR ram_mb_used != 0 OR disk_gb_used != 0 OR servers != 0"
            ),
            "servers": self.rows("SELECT id, vm_state, task_state FROM servers WHERE deleted_at IS NULL"),
        }
        for memory in [*self.data.glob("nodes/*/sim-*.guests"), *self.data.glob("nodes/*/sim-*.disks")]:
            found[memory.name] = remembered(memory)
        for memory in self.data.glob("nodes/*/network"):
            found["network"] = remembered(memory) if memory.is_file() else []
        found["folders"] = [str(folder) for folder in self.data.glob("nodes/*/servers/*")]
        for journal in self.data.glob("nodes/*/journal.sqlite"):
            found["journal"] = journal_rows(journal)
        return {name: what for name, what in found.items() if what}

    def assert_nothing_held(self, within_s: float = 30.0) -> None:
        """As soon as every last word is said; and the cloud's own audit says the same."""
        with suppress(TimeoutError):
            wait_for(lambda: not self.holds(), within_s, "nothing held", every_s=0.1)
        held = self.holds()
        assert not held, held
        with suppress(TimeoutError):
            wait_for(lambda: not self.api.audit()["findings"], 10, "a clean audit", every_s=0.2)
        report = self.api.audit()
        assert not report["findings"], report


class Api:
    """Requests as the admin; a broken or refused connection is tried again for a while, since control may be starting again."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._token = ""
        self._image = ""

    def forget(self) -> None:
        """The token and the image of an earlier life."""
        self._token = ""

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The decoded answer of a request that must succeed. Repeated where nothing was answered."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                status, answer = self.once(method, path, body, **headers)
            except (OSError, http.client.HTTPException):
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
                continue
            if status == 503 and time.monotonic() < until:
                time.sleep(0.2)
                continue
            assert status < 400, f"{method} {path}: {status} {answer}"
            return answer

    def once(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """(status, decoded body) of one request."""
        if not self._token:
            self._token = self._log_in()
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        sent = {"X-Auth-Token": self._token, "Content-Type": kind, **{k.replace("_", "-"): v for k, v in headers.items()}}
        status, answer, _ = self._request(method, path, raw, sent)
        return status, answer

    def image(self) -> str:
        """The id of a small image; made when there is none."""
        if not self._image:
            made = {"name": "small", "disk_format": "raw", "container_format": "bare", "visibility": "public"}
            self._image = self.send("POST", "/image/v2/images", made)["id"]
            self.send("PUT", f"/image/v2/images/{self._image}/file", b"\0" * 65536)
        return self._image

    def build(self, name: str, **more: Any) -> str:
        """Order a server; its id. Safe to repeat: it carries an idempotency key."""
        wish = {"name": name, "flavorRef": "1", "imageRef": self.image(), "networks": "auto", **more}
        key = {"Idempotency_Key": f"key-{name}", "OpenStack_API_Version": "compute 2.96"}
        answer = self.send("POST", "/compute/v2.1/servers", {"server": wish}, **key)
        return str(answer["server"]["id"])

    def server(self, server_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.send("GET", f"/compute/v2.1/servers/{server_id}", OpenStack_API_Version="compute 2.96")[
            "server"
        ]
        return found

    def audit(self) -> dict[str, Any]:
        """What `kilonova audit --json` prints."""
        report: dict[str, Any] = self.send("GET", "/internal/audit")
        return report

    def settled(self, server_id: str, within_s: float) -> dict[str, Any]:
        """The server once it is ACTIVE or ERROR."""
        wait_for(lambda: self.server(server_id)["status"] in ("ACTIVE", "ERROR"), within_s, f"server {server_id}")
        return self.server(server_id)

    def delete(self, server_id: str, within_s: float = 40.0) -> None:
        """Delete it, and wait until it is gone. As a client does, it asks again where it is told to: 503."""
        path, answer = f"/compute/v2.1/servers/{server_id}", (0, None)

        def is_taken() -> bool:
            nonlocal answer
            answer = self.surely("DELETE", path)
            return answer[0] != 503

        wait_for(is_taken, within_s, f"the deletion of {server_id} to be taken", every_s=0.2)
        assert answer[0] in (204, 404), answer
        wait_for(lambda: self.surely("GET", f"/compute/v2.1/servers/{server_id}")[0] == 404, within_s, f"{server_id} gone")

    def surely(self, method: str, path: str) -> tuple[int, Any]:
        """(status, decoded body), asked again for a while where nothing answers."""
        until = time.monotonic() + 30
        while True:
            try:
                return self.once(method, path)
            except (OSError, http.client.HTTPException):
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def _log_in(self) -> str:
        password = (self._cloud.data / "secrets" / "admin-password").read_text().strip()
        user = {"name": "admin", "domain": {"id": "default"}, "password": password}
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        raw, kind = json.dumps(body).encode(), {"Content-Type": "application/json"}
        status, answer, headers = self._request("POST", "/identity/v3/auth/tokens", raw, kind)
        assert status == 201, answer
        return str(headers["X-Subject-Token"])

    def _request(self, method: str, path: str, raw: bytes | None, headers: Mapping[str, str]) -> tuple[int, Any, Any]:
        host, _, port = self._cloud.listen.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=30)
        try:
            connection.request(method, path, raw, dict(headers))
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        return response.status, json.loads(content) if content[:1] in (b"{", b"[") else None, response.headers


class Machine:
    """What of one cloud can be seen on the machine: processes, namespaces, links, nft tables, mounts."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._mark = f"kn{cloud_mark(load(data, {}))}-"
        self._table = f"kilonova_{cloud_mark(load(data, {}))}"

    def traces(self) -> dict[str, list[str]]:
        """Empty when there is nothing of it."""
        spaces = sorted(p.name for p in Path("/run/netns").glob(f"{self._mark}*")) if Path("/run/netns").exists() else []
        mounts = [
            line
            for line in Path("/proc/self/mountinfo").read_text().splitlines()
            if str(self._data) in line or self._mark in line
        ]
        found = {
            "processes": [command_line(pid) for pid in [*processes_of(self._data), *guests_of(self._data)]],
            "namespaces": spaces,
            "links": [name for name in os.listdir("/sys/class/net") if name.startswith(self._mark)],
            "nft": re.findall(rf"table \S+ ({self._table}\S*)", _nft_tables()),
            "mounts": mounts,
        }
        return {kind: things for kind, things in found.items() if things}

    def assert_clean(self, within_s: float = 10.0) -> None:
        with suppress(TimeoutError):
            wait_for(lambda: not self.traces(), within_s, "a clean machine", every_s=0.1)
        found = self.traces()
        assert not found, found


@contextmanager
def running(folder: Path, *options: str, hosts: int = 2, **settings: object) -> Iterator[Cloud]:
    """A cloud that is up, and of which nothing is left afterwards, whatever the test did."""
    cloud = Cloud(folder, *options, hosts=hosts, **settings)
    try:
        cloud.up()
        yield cloud
    finally:
        cloud.end_for_sure()
        Machine(cloud.data).assert_clean()


def remembered(memory: Path) -> list[str]:
    """The servers in a simulated driver's append-only memory."""
    words: dict[str, str] = {}
    for line in memory.read_text().splitlines():
        server_id, _, word = line.partition(" ")
        words[server_id] = word
    return [server_id for server_id, word in words.items() if word != "-"]


def journal_rows(journal: Path) -> list[tuple[Any, ...]]:
    """Sagas under way and reports that nobody has confirmed."""
    base = sqlite3.connect(f"file:{journal}?mode=ro", uri=True, timeout=10)
    try:
        sagas = base.execute("SELECT key, direction, step FROM sagas").fetchall()
        return [*sagas, *base.execute("SELECT key FROM reports").fetchall()]
    finally:
        base.close()


def wait_for(true: Callable[[], object], within_s: float, what: str, every_s: float = 0.05) -> None:
    """Until it is true. Raises TimeoutError."""
    until = time.monotonic() + within_s
    while not true():
        if time.monotonic() > until:
            raise TimeoutError(f"{what}: not within {within_s:.0f} s")
        time.sleep(every_s)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _nft_tables() -> str:
    try:
        return subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, timeout=10, check=False).stdout
    except OSError:
        return ""
