"""Everything that can be set, in one frozen value: defaults, then ``kilonova.toml`` in the data folder, then the environment.

Nothing reads it globally: `app/` hands each part what it needs. An environment variable is the name in capitals with
``KILONOVA_`` before it (``KILONOVA_BUILD_LIMIT_S=900``). Unknown names in the file are refused.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from kilonova.errors import BadRequest

PREFIX = "KILONOVA_"
RUNNING = Path("run/settings.json")


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times in seconds, sizes in the unit the name says."""

    data: Path = Path(".data")
    """The folder everything of this cloud is in: ledger, images, guests, queues, credentials."""
    listen: str = "127.0.0.1:8774"
    """HOST:PORT of the one HTTP port."""
    public_url: str = ""
    """What the catalogue says; empty: ``http://`` and `listen`."""
    region: str = "RegionOne"
    database_url: str = ""
    """As SQLAlchemy writes it; empty: SQLite in the data folder."""
    nats_url: str = ""
    """An existing NATS; empty: the one `kilonova up` starts."""
    hypervisor: Literal["qemu", "simulated"] = "qemu"
    simulated_hosts: int = 1
    """How many hosts a simulated compute node serves."""
    accelerator: Literal["auto", "kvm", "tcg"] = "auto"
    """auto: KVM where a probe ran real instructions under it, else TCG."""
    qemu: str = "qemu-system-x86_64"
    guest_uid_base: int = 1_900_000_000
    """As root, guests run under user ids from here on, one a guest."""
    network: Literal["auto", "linux", "user", "simulated"] = "auto"
    """auto: namespaces, bridges and DHCP where the node may, else QEMU's user networking."""
    uplink: str = ""
    """The guests' way out, and in to floating IPs: empty for none, ``host`` for NAT here, or a network namespace's name."""
    dnsmasq: str = "dnsmasq"
    default_network: str = "10.20.0.0/16"
    """The CIDR of the shared network ``default`` that a new cloud has; empty for none."""
    availability_zone: str = "nova"
    cpu_ratio: float = 4.0
    """vCPUs that may be claimed for each that is there."""
    ram_ratio: float = 1.0
    disk_ratio: float = 1.0
    build_limit_s: float = 600.0
    """Within so long every build is ACTIVE or ERROR."""
    action_limit_s: float = 0.0
    """Within so long everything later that is asked of a server is over, its deletion included; 0: `build_limit_s`."""
    volume_limit_s: float = 0.0
    """Within so long work on a volume or a snapshot is done, or has failed; 0: `build_limit_s`."""
    upload_limit_s: float = 86400.0
    """Within so long an image whose bytes began to come has them all."""
    reservation_limit_s: float = 3600.0
    """So long a client may keep a volume reserved, attaching or detaching without going on."""
    resize_confirm_window: float = 0.0
    """A resize that its owner has not decided within so long is confirmed; 0: never."""
    network_limit_s: float = 30.0
    """How long a build waits for the network node."""
    shutdown_limit_s: float = 20.0
    """How long a guest may take to power off before it is ended."""
    token_lifetime_s: float = 3600.0
    unique_last_password_count: int = 0
    """A user may not choose again one of its so many last passwords, the present one included; 0: any."""
    lockout_failure_attempts: int = 0
    """After so many wrong passwords in a row none is right for a while; 0: never locked."""
    lockout_duration: float = 0.0
    """How long that while is; 0: until an admin enables the user or sets a password."""
    traces_kept_s: float = 30 * 86400.0
    """How long it can be told what happened to a server."""
    image_limit_gb: int = 100
    """The largest image that can be uploaded."""
    web_download: bool = False
    """Images may be imported from the open internet; never from addresses inside."""
    image_cache_gb: int = 50
    """How much of a host's disk cached images may take."""
    volume_folder: str = ""
    """Where the bytes of volumes are; empty: in the volume node's part of the data folder."""
    volume_host: str = "127.0.0.1"
    """The address that volumes are served at, to guests of every host."""
    volume_limit_gb: int = 1000
    """The largest volume."""
    end_guests: bool = False
    """Guests end with the role that is told to end; `kilonova up` sets it unless ``--keep-guests``."""
    faults: str = ""
    """Faults on demand, ``POINT=raise|kill|hang:SECONDS``, comma-separated: see docs/operating.md."""
    log_level: str = "WARNING"

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0]

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    @property
    def url(self) -> str:
        return self.public_url or f"http://{self.listen}"

    @property
    def ledger_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data / 'ledger.sqlite'}"


def load(data: Path, environment: Mapping[str, str] | None = None, **given: object) -> Settings:
    """`given` (from the command line; None is left out) wins over the environment, that over the file. Raises BadRequest."""
    known: dict[str, object] = {}
    file = data / "kilonova.toml"
    if file.exists():
        try:
            known.update(tomllib.loads(file.read_text()))
        except tomllib.TOMLDecodeError as wrong:
            raise BadRequest(f"{file}: {wrong}") from None
    for name in Settings.__struct_fields__:
        value = (os.environ if environment is None else environment).get(PREFIX + name.upper())
        if value is not None and name != "data":
            known[name] = value
    known.update({name: value for name, value in given.items() if value is not None})
    try:
        settings = msgspec.convert({**known, "data": str(data.absolute())}, Settings, strict=False, dec_hook=_path)
    except msgspec.ValidationError as wrong:
        raise BadRequest(f"Settings: {wrong}") from None
    if not settings.listen.rpartition(":")[2].isdigit():
        raise BadRequest(f"Settings: listen is HOST:PORT, not {settings.listen!r}.")
    return settings


def remember(settings: Settings) -> None:
    """What a cloud that starts was told, so that verbs about it (`trace`, `ssh`, `clean`) need not be told again."""
    file = settings.data / RUNNING
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch(mode=0o600)  # a database's URL holds its password
    file.write_bytes(msgspec.json.encode(settings, enc_hook=str))


def running(data: Path) -> Settings:
    """The settings of the cloud in this folder, as it was last started; without one, what `load` says."""
    try:
        return msgspec.json.decode((data.absolute() / RUNNING).read_bytes(), type=Settings, dec_hook=_path)
    except (OSError, msgspec.MsgspecError):
        return load(data)


def _path(kind: type, value: object) -> object:
    if kind is Path:
        return Path(str(value))
    raise NotImplementedError(kind)
