"""`kilonova up`: a whole cloud on one machine, its roles as processes of their own, from one command to Ctrl-C."""

import asyncio
import fcntl
import http.client
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import click

from kilonova import app
from kilonova.cli.supervisor import Role
from kilonova.cloud_folder import CloudFolder
from kilonova.errors import Conflict, Unavailable
from kilonova.settings import PREFIX, Settings, remember

READY_WITHIN_S = 90.0
TOO_MANY_DEATHS = 4
ENDING_S = 25.0
"""How long a role may take to end, beside the time its guests may take to power off."""


def run_cloud(settings: Settings, *, keep_guests: bool, image: Path | None) -> int:
    """Until SIGTERM or Ctrl-C; the exit code. Raises Conflict when this cloud runs already, Unavailable when it cannot start."""
    folder = CloudFolder(settings.data)
    folder.make()
    with _only_one(folder):
        app.listen(settings).close()  # a port in use is said at once; control takes it for good
        remember(settings)
        return asyncio.run(_run(settings, folder, keep_guests=keep_guests, image=image))


def clean_up(settings: Settings) -> int:
    """Starts the node roles once more, to end what is theirs."""
    folder = CloudFolder(settings.data)
    if not folder.run.exists():
        raise Conflict(f"There is no cloud in {settings.data}.")
    with _only_one(folder):
        asyncio.run(app.end_everything(settings))
    return 0


async def _run(settings: Settings, folder: CloudFolder, *, keep_guests: bool, image: Path | None) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    roles = _roles(settings, _environment(settings, end_guests=not keep_guests), folder)
    try:
        for role in roles:
            role.start()
            await asyncio.sleep(0)  # it is forked before this process loads what the papers need
        await asyncio.sleep(0.05)
        broker = _broker(settings, folder)
        for role in broker:
            role.start()
        roles += broker
        if await _wait_ready(settings, roles, stop):
            if image is not None:
                await asyncio.to_thread(_register, settings, folder, image)
            click.echo(f"ready {settings.url}")
            sys.stdout.flush()
            await stop.wait()
    finally:
        await _stop(roles)
        if not keep_guests and any(not role.ended_well for role in roles if role.name in ("compute", "network", "volume")):
            await app.end_everything(settings)  # it could not put its things away: told to end as it began, or killed
    return 0


async def _stop(roles: list[Role]) -> None:
    """Guests first, then their networks and volumes; control and the broker last, so that the nodes can still report."""
    order = {"compute": 0, "network": 1, "volume": 1, "control": 2, "nats": 3}
    for role in sorted(roles, key=lambda r: order[r.name]):
        await role.stop()


def _roles(settings: Settings, environment: Mapping[str, str], folder: CloudFolder) -> list[Role]:
    """Control first: it has most to load, and the others wait for it anyway; that is why it is kept loaded."""
    program, where = [sys.executable, "-m", "kilonova.cli"], ["--data", str(settings.data)]
    patience = settings.shutdown_limit_s + ENDING_S
    control = _role("control", [*program, "control", *where, "--keep-loaded"], environment, folder, patience)
    control.pid_file = folder.run / "control-keeper.pid"
    return [
        control,
        *(_role(name, [*program, name, *where], environment, folder, patience) for name in ("compute", "network", "volume")),
    ]


def _broker(settings: Settings, folder: CloudFolder) -> list[Role]:
    """The papers every role needs, and the broker they are good at, unless there is one somewhere else."""
    from kilonova.cli import papers

    papers.write(settings, folder)
    if settings.nats_url:
        return []
    argv, environment = papers.broker(folder)
    return [_role("nats", argv, {**os.environ, **environment}, folder, ENDING_S)]


def _role(name: str, argv: list[str], environment: Mapping[str, str], folder: CloudFolder, patience_s: float) -> Role:
    return Role(name, argv, environment, folder.logs / f"{name}.log", folder.run / f"{name}.pid", patience_s)


def _environment(settings: Settings, *, end_guests: bool) -> dict[str, str]:
    """The roles get exactly these settings, wherever they came from."""
    known = {name: getattr(settings, name) for name in settings.__struct_fields__ if name != "data"}
    known["end_guests"] = end_guests
    given = {
        PREFIX + name.upper(): str(value).lower() if isinstance(value, bool) else str(value) for name, value in known.items()
    }
    return {**os.environ, **given}


async def _wait_ready(settings: Settings, roles: list[Role], stop: asyncio.Event) -> bool:
    """True when a server could be built; False when told to stop before. Raises Unavailable."""
    began = time.monotonic()
    said = 0
    while not stop.is_set():
        waited = time.monotonic() - began
        if await asyncio.to_thread(_is_ready, settings):
            return True
        dying = next((role for role in roles if role.all_deaths >= TOO_MANY_DEATHS), None)
        if dying is not None or waited > READY_WITHIN_S:
            role = dying or roles[-1]
            raise Unavailable(f"The cloud did not start: {role.name} says: {_say(role.last_words())}")
        if waited > 3 * (said + 1):
            said += 1
            click.echo(f"starting ({int(waited)} s)", err=True)
        await asyncio.sleep(0.02)
    return False


def _say(line: str) -> str:
    """What a role's last log line means to a person."""
    try:
        told = json.loads(line)
        return str(told.get("says", line))
    except ValueError:
        return line


def _is_ready(settings: Settings) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(settings.host, settings.host)
    connection = http.client.HTTPConnection(host.strip("[]"), settings.port, timeout=2)
    with suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/internal/ready")
        answer = connection.getresponse()
        return answer.status == 200 and bool(json.loads(answer.read())["volume"])
    return False


def _only_one(folder: CloudFolder) -> IO[Any]:
    """The lock is the kernel's: it goes with the process, however that ends."""
    lock = folder.lock.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise Conflict(f"This cloud is running already (data folder {folder.data}).") from None
    return lock


def _register(settings: Settings, folder: CloudFolder, image: Path) -> None:
    from kilonova.cli.client import Client

    client = Client(settings, folder)
    name = image.stem
    if client.image_named(name) is None:
        client.upload_image(name, image)
