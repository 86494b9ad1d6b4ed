"""Roles as a fleet has them: each a process of its own, in a network namespace and a data folder of its own, on one bridge.

The broker and the database have namespaces too, so every pair of parties can be cut off from each other, both ways or one way.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kilonova.bus import nats_server
from kilonova.bus.credentials import Authority
from kilonova.cli import papers
from kilonova.cloud_folder import CloudFolder
from kilonova.drivers.network import namespaces
from kilonova.settings import PREFIX, load, remember
from kilonova.settings import running as as_started
from tests.cloud.processes import processes_of
from tests.cloud.running import ENDED_WITHIN_S, READY_WITHIN_S, Api, Cloud, wait_for

PARTIES = ("control", "compute", "network", "volume", "nats", "postgres")
ROLES = PARTIES[:4]
NODES = {"compute": "simulated", "network": "network-simulated", "volume": "volume-simulated"}
"""Role → what its node is called where hosts are simulated."""
NET = "198.18.0"
API_PORT, NATS_PORT, POSTGRES_PORT = 8774, 4222, 5432


def role_environment(cloud: Cloud) -> dict[str, str]:
    """What `kilonova up` gave its roles, for one that is started by hand."""
    settings = as_started(cloud.data)
    known = {name: getattr(settings, name) for name in settings.__struct_fields__ if name != "data"}
    known["end_guests"] = False
    said = {PREFIX + name.upper(): str(value).lower() if isinstance(value, bool) else str(value) for name, value in known.items()}
    return {**os.environ, **said}


@contextmanager
def role_process(cloud: Cloud, role: str, environment: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """One role by hand, beside a cloud whose supervisor does not care; killed at the end."""
    with (cloud.data / "log" / f"{role}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "kilonova.cli", role, "--data", str(cloud.data)], env=environment, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


class Network:
    """A bridge in a namespace, and a namespace on it for each party: 198.18.0.1 and so on. This machine's own has none of it."""

    def __init__(self, parties: tuple[str, ...]) -> None:
        mark = f"knf{secrets.token_hex(2)}"
        self._switch = f"{mark}-switch"
        self.space = {party: f"{mark}-{party}" for party in parties}
        self.address = {party: f"{NET}.{number}" for number, party in enumerate(parties, 1)}

    def put_up(self) -> None:
        namespaces.create(self._switch)
        self._ip(self._switch, "link add sw type bridge stp_state 0")
        self._ip(self._switch, "link set sw up")
        for number, (party, space) in enumerate(self.space.items()):
            namespaces.create(space)
            self._ip(self._switch, f"link add port{number} type veth peer name eth0 netns {space}")
            self._ip(self._switch, f"link set port{number} master sw up")
            self._ip(space, "link set lo up")
            self._ip(space, f"addr add {self.address[party]}/24 dev eth0")
            self._ip(space, "link set eth0 up")

    def cut(self, party: str, other: str, *, one_way: bool = False) -> None:
        """Silently: what `other` says does not reach `party` any more, nor, unless `one_way`, the reverse."""
        self._drop(party, other)
        if not one_way:
            self._drop(other, party)

    def dropped(self, party: str) -> int:
        """How many packets have not reached it because of the cuts there."""
        said = subprocess.run(
            self.within(party, "nft", "-j", "list", "table", "netdev", "cut"), capture_output=True, text=True, check=False
        )
        rules = [entry["rule"] for entry in json.loads(said.stdout or "{}").get("nftables", []) if "rule" in entry]
        return sum(part["counter"]["packets"] for rule in rules for part in rule["expr"] if "counter" in part)

    def heal(self) -> None:
        """All cuts end."""
        for party in self.space:
            subprocess.run(self.within(party, "nft", "delete", "table", "netdev", "cut"), capture_output=True, check=False)

    def within(self, party: str, *order: str) -> list[str]:
        """A command, in the party's namespace."""
        return ["nsenter", f"--net=/run/netns/{self.space[party]}", *order]

    def take_down(self) -> None:
        for space in (*self.space.values(), self._switch):
            namespaces.remove(space)

    def _drop(self, party: str, other: str) -> None:
        rules = (
            f"add table netdev cut; add chain netdev cut in {{ type filter hook ingress device eth0 priority 0; }};"
            f" add rule netdev cut in ip saddr {self.address[other]} counter drop"
        )
        subprocess.run(self.within(party, "nft", rules), check=True, capture_output=True)

    def _ip(self, space: str, words: str) -> None:
        subprocess.run(["nsenter", f"--net=/run/netns/{space}", "ip", *words.split()], check=True, capture_output=True)


class Fleet(Cloud):
    """A cloud of simulated hosts whose parties are machines of their own, as far as their network can tell."""

    def __init__(self, folder: Path, *, hosts: int = 2, database_url: str = "", **settings: object) -> None:
        super().__init__(folder, hosts=hosts, **settings)
        self.network = Network(PARTIES)
        self.listen = f"{self.network.address['control']}:{API_PORT}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._folder = folder
        self._said = {
            **{name.upper(): str(value) for name, value in settings.items()},
            "HYPERVISOR": "simulated",
            "SIMULATED_HOSTS": str(hosts),
            "LISTEN": self.listen,
            "PUBLIC_URL": f"http://{self.listen}",
            "NATS_URL": f"nats://{self.network.address['nats']}:{NATS_PORT}",
            "DATABASE_URL": database_url,
        }
        self.environment = {PREFIX + name: value for name, value in self._said.items()}
        self.api = self._inside = _ApiInside(self)

    def up(self, *more: str) -> float:
        """The broker, control, and each node with the credential that was minted for it; the seconds it took."""
        began = time.monotonic()
        self.network.put_up()
        settings = load(self.data, self.environment)
        folder = CloudFolder(self.data)
        folder.make()
        remember(settings)
        papers.write(settings, folder)
        self._prepare_nodes()
        listen = nats_server.Listen(host=self.network.address["nats"], port=NATS_PORT)
        config = nats_server.write_config(folder.nats, Authority.open(folder.authority), listen)
        self._start("nats", nats_server.command(config), {**os.environ, **nats_server.environment()})
        for role in ROLES:
            self.start(role)
        wait_for(self._is_ready, READY_WITHIN_S, "the fleet", every_s=0.1)
        return time.monotonic() - began

    def start(self, role: str) -> None:
        """A role, in its own namespace and folder."""
        argv = [sys.executable, "-m", "kilonova.cli", role, "--data", str(self.home(role))]
        self._start(role, argv, {**os.environ, **self.environment})

    def home(self, role: str) -> Path:
        """The data folder of the machine that this role is on."""
        return self.data if role == "control" else self._folder / role

    def kill(self, role: str) -> int:
        """-9, and another one."""
        old = self.processes[role]
        old.kill()
        old.wait(10)
        if role == "nats":
            self._start(role, list(old.args), {**os.environ, **nats_server.environment()})  # type: ignore[arg-type]
        else:
            self.start(role)
        return old.pid

    def down(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """Nodes first, control and the broker last; the first code that is not 0."""
        codes = []
        for role in ("compute", "network", "volume", "control"):
            self.processes[role].send_signal(with_signal)
            codes.append(self.processes[role].wait(ENDED_WITHIN_S))
        self.processes["nats"].terminate()
        self.processes["nats"].wait(ENDED_WITHIN_S)
        return next((code for code in codes if code), 0)

    def end_for_sure(self) -> None:
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                process.kill()
            process.wait(10)
        for pid in processes_of(self._folder):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.network.take_down()

    def _prepare_nodes(self) -> None:
        """What docs/operating.md says of a fleet: a credential, and the addresses. What a node has is looked up from here."""
        for role, node in NODES.items():
            home = CloudFolder(self.home(role))
            home.make()
            hosts = [f"--host=sim-{number:04}" for number in range(1, int(self._said["SIMULATED_HOSTS"]) + 1)]
            minted = self.verb("credential", node, "--role", role, *(hosts if role == "compute" else ())).stdout
            home.credential(node).write_text(minted)
            home.node(node).mkdir(mode=0o711)
            (self.data / "nodes" / node).symlink_to(home.node(node))
            (self.data / "faults").mkdir(exist_ok=True)
            home.faults_fired.symlink_to(self.data / "faults")

    def _start(self, role: str, argv: list[str], environment: Mapping[str, str]) -> None:
        with (self.data / "log" / f"{role}.log").open("ab") as log:
            process = subprocess.Popen(self.network.within(role, *argv), env=environment, stdout=log, stderr=log)
        self.processes[role] = process
        (self.data / "run" / f"{role}.pid").write_text(f"{process.pid}\n")

    def _is_ready(self) -> bool:
        assert all(process.poll() is None for process in self.processes.values()), self._last_words()
        with suppress(OSError):
            status, answer = self._inside.ask_ready()
            return status == 200 and all(answer[role] for role in NODES)
        return False

    def _last_words(self) -> dict[str, str]:
        return {role: self.log(role)[-600:] for role, process in self.processes.items() if process.poll() is not None}


class _ApiInside(Api):
    """The client is where control is."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(fleet)
        self._space = fleet.network.space["control"]

    def ask_ready(self) -> tuple[int, Any]:
        status, answer, _ = self._request("GET", "/internal/ready", None, {})
        return status, answer

    def _request(self, method: str, path: str, raw: bytes | None, headers: Mapping[str, str]) -> tuple[int, Any, Any]:
        ask = super()._request
        return namespaces.inside(self._space, lambda: ask(method, path, raw, headers))


@contextmanager
def fleet(folder: Path, *, hosts: int = 2, database_url: str = "", **settings: object) -> Iterator[Fleet]:
    """A fleet that is up, and of which nothing is left afterwards, whatever the test did."""
    cloud = Fleet(folder, hosts=hosts, database_url=database_url, **settings)
    try:
        cloud.up()
        yield cloud
    finally:
        cloud.end_for_sure()
        left = [name for name in os.listdir("/run/netns") if name in cloud.network.space.values()]
        assert not left, left
