"""The HTTP server of control: every service, and what a new cloud has from the start. Loaded by the control role alone."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from kilonova.api.compute.service import SERVICE as COMPUTE
from kilonova.api.identity.bootstrap import bootstrap
from kilonova.api.identity.service import SERVICE as IDENTITY
from kilonova.api.image.recover import recover
from kilonova.api.image.service import SERVICE as IMAGE
from kilonova.api.internal.tickets import Tickets
from kilonova.api.network.service import SERVICE as NETWORK
from kilonova.api.passwords import Argon2
from kilonova.api.placement.service import SERVICE as PLACEMENT
from kilonova.api.server import application
from kilonova.api.service import Service
from kilonova.api.serving import quiet_server
from kilonova.api.tokens import FernetTokens, open_keys
from kilonova.api.volume.service import SERVICE as VOLUME
from kilonova.api.world import ApiWorld
from kilonova.cloud_folder import CloudFolder
from kilonova.drivers.imagestore.files import FileStore
from kilonova.drivers.imagestore.web import Limits, WebImages
from kilonova.ledger.first_flavors import ensure_flavors
from kilonova.ledger.ledger import Ledger
from kilonova.model.identity_passwords import PasswordRules
from kilonova.model.volume_wish import VolumeTerms
from kilonova.nodes.desk import Desk
from kilonova.scheduler.choose import Ratios
from kilonova.settings import Settings

SERVICES = (IDENTITY, COMPUTE, IMAGE, NETWORK, VOLUME, PLACEMENT)


async def web(settings: Settings, ledger: Ledger, desk: Desk, tickets: Tickets, internal: Service) -> Any:
    """The HTTP server with every service, its ledger furnished; `internal` is what nodes and operators ask."""
    folder = CloudFolder(settings.data)
    store = FileStore(folder.images, settings.image_limit_gb << 30, settings.upload_limit_s)
    passwords = Argon2()
    await recover(ledger, store)
    await _furnish(settings, folder, ledger, passwords)
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
        password_rules=_password_rules(settings),
        readiness=_readiness(ledger),
        volume_terms=_volume_terms(settings, tickets),
        ratios=Ratios(cpu=settings.cpu_ratio, ram=settings.ram_ratio, disk=settings.disk_ratio),
        web=WebImages(Limits(settings.image_limit_gb << 30)) if settings.web_download else None,
    )
    return quiet_server(application(world, [*SERVICES, internal]))


def _password_rules(settings: Settings) -> PasswordRules:
    return PasswordRules(
        unique_last_password_count=settings.unique_last_password_count,
        lockout_failure_attempts=settings.lockout_failure_attempts,
        lockout_duration=settings.lockout_duration,
    )


def _readiness(ledger: Ledger) -> Callable[[], Awaitable[dict[str, int]]]:
    """How many of each kind of node answer."""

    async def readiness() -> dict[str, int]:
        now = time.time()
        hosts, network, volume = await ledger.read(
            lambda tx: (tx.hosts.hosts(), tx.hosts.network_node(now), tx.hosts.volume_node(now))
        )
        up = sum(host.up and host.enabled for host in hosts)
        return {"compute": up, "network": int(network is not None), "volume": int(volume is not None)}

    return readiness


def _volume_terms(settings: Settings, tickets: Tickets) -> Callable[[float], VolumeTerms]:
    """What work on volumes is ordered with."""

    def terms(now: float) -> VolumeTerms:
        limit, zone = settings.volume_limit_s or settings.build_limit_s, settings.availability_zone
        return VolumeTerms(now=now, ticket=tickets.issue, upload_ticket=tickets.issue_write, limit_s=limit, zone=zone)

    return terms


async def _furnish(settings: Settings, folder: CloudFolder, ledger: Ledger, passwords: Argon2) -> None:
    """What a new cloud has from the start: an admin, roles, flavors, and a network everyone may use."""
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
