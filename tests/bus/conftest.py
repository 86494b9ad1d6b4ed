"""A real nats-server on a loopback port of its own, with its data below tmp_path, ended by its process id."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from kilonova.bus import nats_server
from kilonova.bus.bus import NatsBus
from kilonova.bus.credentials import Authority, Role
from kilonova.bus.port import Observer, Unobserved
from kilonova.model.ids import HostName, NodeName
from tests.cloud.processes import state


class Broker:
    """One nats-server that a test may stop and start."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority.open(folder / "secrets" / "authority.json")
        self.folder = folder / "broker"
        self.config = nats_server.write_config(self.folder, self.authority, nats_server.Listen())
        self.url = f"nats://127.0.0.1:{nats_server.chosen_port(self.folder, nats_server.Listen())}"
        self.control = self.authority.mint_control()
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            environment = {**os.environ, **nats_server.environment()}
            self.process = subprocess.Popen(nats_server.command(self.config), env=environment, stdout=log, stderr=log)
        await nats_server.wait_ready(self.url, self.control, 20)

    async def kill(self) -> None:
        if self.process:
            self.process.kill()
            await asyncio.to_thread(self.process.wait, 10)
            self.process = None

    @asynccontextmanager
    async def frozen(self) -> AsyncIterator[None]:
        """It stands still, with all of its threads."""
        assert self.process is not None
        threads = Path(f"/proc/{self.process.pid}/task")
        self.process.send_signal(signal.SIGSTOP)
        try:
            async with asyncio.timeout(10):
                while any(state(int(one.name)) != "T" for one in threads.iterdir()):
                    await asyncio.sleep(0.01)
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def delete_data(self) -> None:
        shutil.rmtree(self.folder / "data")

    def node(self, name: str, hosts: list[str], role: Role = "compute") -> str:
        return self.authority.mint_node(NodeName(name), [HostName(host) for host in hosts], role, timedelta(hours=1))


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    broker = Broker(tmp_path)
    try:
        await broker.start()
        yield broker
    finally:
        await broker.kill()


Connect = Callable[..., Awaitable[NatsBus]]


@pytest.fixture
async def connect(broker: Broker) -> AsyncIterator[Connect]:
    """``connect("control")`` or ``connect("node-1", broker.node("node-1", ["host-1"]))``; closed at the end."""
    opened: list[NatsBus] = []

    async def open_bus(name: str, creds: str | None = None, observer: Observer | None = None) -> NatsBus:
        bus = NatsBus(observer or Unobserved())
        opened.append(bus)
        await bus.connect(broker.url, creds or broker.control, name, timeout_s=20)
        return bus

    yield open_bus
    for bus in opened:
        await bus.close()
