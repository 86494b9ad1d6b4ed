"""The folder of a simulated cloud: ledger, keys, an admin, flavors, a network and one small image. Made once, copied for each."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from kilonova.api.compute.service import SERVICE as COMPUTE
from kilonova.api.identity.bootstrap import bootstrap
from kilonova.api.identity.service import SERVICE as IDENTITY
from kilonova.api.image.service import SERVICE as IMAGE
from kilonova.api.network.service import SERVICE as NETWORK
from kilonova.api.passwords import Argon2
from kilonova.api.placement.service import SERVICE as PLACEMENT
from kilonova.api.server import application
from kilonova.api.service import Service
from kilonova.api.tokens import FernetTokens, open_keys
from kilonova.api.volume.service import SERVICE as VOLUME
from kilonova.api.world import ApiWorld
from kilonova.drivers.imagestore.files import FileStore
from kilonova.ledger.engine import open_engine
from kilonova.ledger.first_flavors import ensure_flavors
from kilonova.ledger.ledger import Ledger, SqliteLedger
from kilonova.ledger.schema import metadata
from kilonova.sim.front_door import FrontDoor

URL = "http://cloud.simulated"
REGION = "RegionOne"
PASSWORD = "simulated"
TOKEN_LIFETIME_S = 86400.0
_FACTS = "sim.json"
EVERY_SERVICE: tuple[Service, ...] = (IDENTITY, COMPUTE, IMAGE, NETWORK, VOLUME, PLACEMENT)


class Furnished(Struct, frozen=True, kw_only=True):
    """What was put into a new folder."""

    admin_token: str
    admin_id: str
    project_id: str
    image_id: str
    network_id: str


def ledger_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'ledger.sqlite'}"


def web(folder: Path, ledger: Any, desk: Any, services: Sequence[Service], readiness: Any) -> Any:
    """The HTTP application, as control serves it."""
    return application(api_world(folder, ledger, desk, readiness), services)


def api_world(folder: Path, ledger: Any, desk: Any, readiness: Any) -> ApiWorld:
    """What the handlers need."""
    return ApiWorld(
        ledger=ledger,
        tokens=FernetTokens(open_keys(folder / "token.keys"), ledger, time.time),
        passwords=Argon2(memory_kib=64, rounds=1),
        images=FileStore(folder / "images"),
        servers=desk,
        public_url=URL,
        region=REGION,
        now=time.time,
        token_lifetime_s=TOKEN_LIFETIME_S,
        readiness=readiness,
    )


async def furnish(folder: Path, template: Path | None = None) -> Furnished:
    """Make the folder ready, from `template` (an unused one) if there is one; a folder that is ready stays as it is."""
    if template is not None and not (folder / _FACTS).exists():
        shutil.copytree(template, folder, dirs_exist_ok=True)
    if not (folder / _FACTS).exists():
        (folder / _FACTS).write_bytes(msgspec.json.encode(await _make(folder)))
    return msgspec.json.decode((folder / _FACTS).read_bytes(), type=Furnished)


async def _make(folder: Path) -> Furnished:
    folder.mkdir(parents=True, exist_ok=True)
    engine = open_engine(ledger_url(folder))
    metadata.create_all(engine)
    engine.dispose()
    ledger = SqliteLedger(ledger_url(folder))
    try:
        return await furnish_ledger(folder, ledger)
    finally:
        await ledger.close()


async def furnish_ledger(folder: Path, ledger: Ledger) -> Furnished:
    """What a new cloud has, put into an empty ledger with its tables, and into the folder of its images and keys."""
    hashed = await Argon2(memory_kib=64, rounds=1).hash(PASSWORD)

    def furniture(tx: Any) -> tuple[Any, str]:
        admin = bootstrap(tx, admin_password_hash=hashed, public_url=URL, region=REGION)
        ensure_flavors(tx.flavors, time.time())
        network = tx.networks.ensure_default_network(
            project_id=admin.project_id, name="default", cidr="10.20.0.0/16", now=time.time()
        )
        return admin, network

    admin, network_id = await ledger.write(furniture)
    client = FrontDoor(web(folder, ledger, None, EVERY_SERVICE, None))
    token = await sign_in(client, "admin", admin.project_id)
    image_id = await _add_image(client, token)
    return Furnished(
        admin_token=token, admin_id=admin.user_id, project_id=admin.project_id, image_id=image_id, network_id=network_id
    )


async def sign_in(client: FrontDoor, name: str, project_id: str) -> str:
    """A token for a user of the default domain whose password is `PASSWORD`."""
    user = {"name": name, "domain": {"id": "default"}, "password": PASSWORD}
    identity = {"methods": ["password"], "password": {"user": user}}
    body = {"auth": {"identity": identity, "scope": {"project": {"id": project_id}}}}
    answer = await client.post("/identity/v3/auth/tokens", json=body)
    answer.raise_for_status()
    return str(answer.headers["x-subject-token"])


async def _add_image(client: FrontDoor, token: str) -> str:
    head = {"x-auth-token": token}
    about = {"name": "simulated", "disk_format": "raw", "container_format": "bare", "visibility": "public"}
    made = (await client.post("/image/v2/images", json=about, headers=head)).raise_for_status().json()
    data = {**head, "content-type": "application/octet-stream"}
    (await client.put(f"/image/v2/images/{made['id']}/file", content=b"\0" * 512, headers=data)).raise_for_status()
    return str(made["id"])
