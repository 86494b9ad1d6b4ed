"""The control role: the API, the scheduler, the ledger and the relay."""

import asyncio
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kilonova.app.connection import connected
from kilonova.cloud_folder import CloudFolder
from kilonova.errors import Unavailable
from kilonova.model.ids import NodeName
from kilonova.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from kilonova.api.internal.tickets import Tickets
    from kilonova.build.admit import OrderDesk


async def control(settings: Settings) -> None:
    """The API, the scheduler, the ledger and the relay, until told to stop."""
    from kilonova.api.image.recover import keep_tidy
    from kilonova.api.internal.service import service
    from kilonova.api.internal.tickets import Tickets
    from kilonova.app.web import web
    from kilonova.drivers.imagestore.files import FileStore
    from kilonova.ledger.ledger import open_ledger
    from kilonova.ledger.migrate import prepare
    from kilonova.nodes.control import ControlNode
    from kilonova.nodes.desk import Desk
    from kilonova.nodes.fabric import FabricKeeper
    from kilonova.nodes.fault_points import on_bus, on_ledger
    from kilonova.nodes.relay import Relay
    from kilonova.nodes.repair.repair import Means, Repair
    from kilonova.nodes.role import serve_until_told, together
    from kilonova.nodes.sweeper import Sweeper
    from kilonova.saga.faults import Faults, parse_faults

    folder = CloudFolder(settings.data)
    tickets = Tickets(_secret(folder.ticket_key))
    terms = _terms(settings, tickets)
    faults = Faults("control", parse_faults(settings.faults), folder.faults_fired)
    listener = listen(settings)
    await asyncio.to_thread(prepare, settings.ledger_url)
    ledger = on_ledger(open_ledger(settings.ledger_url), faults)
    async with connected(settings, "control", on_bus(faults)) as bus:
        relay = Relay(ledger, bus, faults)
        keeper = FabricKeeper(ledger, bus, time.time)
        ledger.on_orders = together(relay.wake, keeper.wake)
        desk = Desk(ledger, bus, relay, terms)
        node = ControlNode(NodeName(f"control-{socket.gethostname()}"), ledger, bus, terms, faults)
        repair = Repair(Means(ledger, bus, terms, time.time, FileStore(folder.images)))
        internal = service(tickets, repair.audit, repair.repair)
        server = await web(settings, ledger, desk, tickets, internal)
        sweeper = Sweeper(ledger, terms, settings.traces_kept_s)
        tidy = keep_tidy(ledger, FileStore(folder.images))
        tasks = (ledger.watch(), node.run(), relay.run(), keeper.run(), sweeper.run(), server.serve(sockets=[listener]))
        await serve_until_told(*tasks, tidy)
    await ledger.close()


def _terms(settings: Settings, tickets: "Tickets") -> "Callable[[float], OrderDesk]":
    """What servers are ordered with."""
    from kilonova.build.admit import OrderDesk
    from kilonova.scheduler.choose import Ratios

    ratios = Ratios(cpu=settings.cpu_ratio, ram=settings.ram_ratio, disk=settings.disk_ratio)

    def terms(now: float) -> OrderDesk:
        return OrderDesk(
            now=now,
            build_limit_s=settings.build_limit_s,
            action_limit_s=settings.action_limit_s or settings.build_limit_s,
            volume_limit_s=settings.volume_limit_s or settings.build_limit_s,
            reservation_limit_s=settings.reservation_limit_s,
            resize_confirm_window_s=settings.resize_confirm_window,
            ratios=ratios,
            ticket=tickets.issue,
            send_ticket=tickets.issue_write,
        )

    return terms


def _secret(file: Path) -> bytes:
    """32 random bytes, made once."""
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        half = file.with_suffix(f".{os.getpid()}")
        half.touch(mode=0o600)
        half.write_bytes(os.urandom(32))
        half.rename(file)
    return file.read_bytes()


def listen(settings: Settings) -> socket.socket:
    """Taken before anything else is started, so that a port in use is one clear line. Raises Unavailable."""
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host.strip("[]"), settings.port))
    except OSError as error:
        raise Unavailable(f"Cannot listen on {settings.listen}: {error.strerror}.") from None
    listener.listen(2048)
    return listener
