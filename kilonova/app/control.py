"""The control role: the API, the scheduler, the ledger and the relay."""

import asyncio
import os
import socket
import time
from pathlib import Path
from typing import Any

from kilonova.app.connection import connected
from kilonova.cloud_folder import CloudFolder
from kilonova.errors import Unavailable
from kilonova.model.ids import NodeName
from kilonova.settings import Settings


async def control(settings: Settings) -> None:
    """The API, the scheduler, the ledger and the relay, until told to stop."""
    from kilonova.api.image.recover import keep_tidy
    from kilonova.api.internal.service import service
    from kilonova.api.internal.tickets import Tickets
    from kilonova.build.admit import OrderDesk
    from kilonova.drivers.imagestore.files import FileStore
    from kilonova.ledger.ledger import open_ledger
    from kilonova.ledger.migrate import prepare
    from kilonova.nodes.audit import Auditor
    from kilonova.nodes.control import ControlNode
    from kilonova.nodes.desk import Desk
    from kilonova.nodes.fabric import FabricKeeper
    from kilonova.nodes.relay import Relay
    from kilonova.nodes.role import serve_until_told, together
    from kilonova.nodes.sweeper import Sweeper
    from kilonova.saga.faults import Faults, parse_faults
    from kilonova.scheduler.choose import Ratios

    folder = CloudFolder(settings.data)
    tickets = Tickets(_secret(folder.ticket_key))
    ratios = Ratios(cpu=settings.cpu_ratio, ram=settings.ram_ratio, disk=settings.disk_ratio)

    def terms(now: float) -> OrderDesk:
        return OrderDesk(
            now=now, build_limit_s=settings.build_limit_s, ratios=ratios, ticket=tickets.issue, send_ticket=tickets.issue_write
        )

    faults = Faults("control", parse_faults(settings.faults), folder.faults_fired)
    listener = listen(settings)
    await asyncio.to_thread(prepare, settings.ledger_url)
    ledger = open_ledger(settings.ledger_url)
    async with connected(settings, "control") as bus:
        relay = Relay(ledger, bus, faults)
        keeper = FabricKeeper(ledger, bus, time.time)
        ledger.on_orders = together(relay.wake, keeper.wake)
        desk = Desk(ledger, bus, relay, terms)
        node = ControlNode(NodeName(f"control-{socket.gethostname()}"), ledger, bus, terms, faults)
        internal = service(tickets, Auditor(ledger, bus, time.time).audit)
        web = await _web(settings, folder, ledger, desk, (tickets, internal))
        sweeper = Sweeper(ledger, terms, settings.traces_kept_s)
        tidy = keep_tidy(ledger, FileStore(folder.images))
        tasks = (ledger.watch(), node.run(), relay.run(), keeper.run(), sweeper.run(), web.serve(sockets=[listener]))
        await serve_until_told(*tasks, tidy)
    await ledger.close()


async def _web(settings: Settings, folder: CloudFolder, ledger: Any, desk: Any, inside: Any) -> Any:
    """The HTTP server with every service, its ledger furnished. `inside`: the tickets, and the service that takes them."""
    from kilonova.api.compute.service import SERVICE as COMPUTE
    from kilonova.api.identity.service import SERVICE as IDENTITY
    from kilonova.api.image.recover import recover
    from kilonova.api.image.service import SERVICE as IMAGE
    from kilonova.api.network.service import SERVICE as NETWORK
    from kilonova.api.passwords import Argon2
    from kilonova.api.placement.service import SERVICE as PLACEMENT
    from kilonova.api.server import application
    from kilonova.api.serving import quiet_server
    from kilonova.api.tokens import FernetTokens, open_keys
    from kilonova.api.volume.service import SERVICE as VOLUME
    from kilonova.api.world import ApiWorld
    from kilonova.drivers.imagestore.files import FileStore
    from kilonova.drivers.imagestore.web import Limits, WebImages
    from kilonova.model.identity_passwords import PasswordRules
    from kilonova.model.volume_wish import VolumeTerms
    from kilonova.scheduler.choose import Ratios

    tickets, internal = inside
    store = FileStore(folder.images, settings.image_limit_gb << 30)
    passwords = Argon2()
    await recover(ledger, store)
    await _furnish(settings, folder, ledger, passwords)

    async def readiness() -> dict[str, int]:
        hosts, network, volume = await ledger.read(
            lambda tx: (tx.hosts.hosts(), tx.hosts.network_node(time.time()), tx.hosts.volume_node(time.time()))
        )
        up = sum(host.up and host.enabled for host in hosts)
        return {"compute": up, "network": int(network is not None), "volume": int(volume is not None)}

    def volume_terms(now: float) -> VolumeTerms:
        limit, zone = settings.build_limit_s, settings.availability_zone
        return VolumeTerms(now=now, ticket=tickets.issue, upload_ticket=tickets.issue_write, limit_s=limit, zone=zone)

    world = ApiWorld(
        ledger=ledger,
        tokens=FernetTokens(open_keys(folder.token_keys), ledger, time.time),
        passwords=passwords,
        images=store,
        servers=desk,
        public_url=settings.url,
        region=settings.region,
        now=time.time,
        token_lifetime_s=settings.token_lifetime_s,
        password_rules=PasswordRules(
            unique_last_password_count=settings.unique_last_password_count,
            lockout_failure_attempts=settings.lockout_failure_attempts,
            lockout_duration=settings.lockout_duration,
        ),
        readiness=readiness,
        volume_terms=volume_terms,
        ratios=Ratios(cpu=settings.cpu_ratio, ram=settings.ram_ratio, disk=settings.disk_ratio),
        web=WebImages(Limits(settings.image_limit_gb << 30)) if settings.web_download else None,
    )
    return quiet_server(application(world, [IDENTITY, COMPUTE, IMAGE, NETWORK, VOLUME, PLACEMENT, internal]))


async def _furnish(settings: Settings, folder: CloudFolder, ledger: Any, passwords: Any) -> None:
    """What a new cloud has from the start: an admin, roles, flavors, and a network everyone may use."""
    from kilonova.api.identity.bootstrap import bootstrap
    from kilonova.ledger.first_flavors import ensure_flavors

    hashed = await passwords.hash(folder.admin_password.read_text().strip())

    def furnish(tx: Any) -> None:
        made = bootstrap(tx, admin_password_hash=hashed, public_url=settings.url, region=settings.region)
        ensure_flavors(tx.flavors, time.time())
        tx.volumes.types.ensure_default(time.time())
        if settings.default_network:
            tx.networks.ensure_default_network(
                project_id=made.project_id, name="default", cidr=settings.default_network, now=time.time()
            )

    await ledger.write(furnish)


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
