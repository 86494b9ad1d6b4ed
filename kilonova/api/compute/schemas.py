"""The newest form of every request body. Keys that are not named here are refused, as Nova refuses them."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

Truth = bool | str | int
"""Nova takes ``"yes"`` and 1 for true; `asking.truth` reads it."""
Number = int | str
"""Nova takes numbers written as text; `asking.whole` reads it."""
Metadata = dict[
    Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9\-_:. ]+$")], Annotated[str, Meta(max_length=255)]
]
Tag = Annotated[str, Meta(min_length=1, max_length=60, pattern="^[^,/]*$")]
Tags = Annotated[list[Tag], Meta(max_length=50)]


class Nic(Struct, forbid_unknown_fields=True):
    """`uuid` is a network's."""

    uuid: str | UnsetType = UNSET
    port: str | UnsetType | None = UNSET
    fixed_ip: str | UnsetType = UNSET
    tag: Tag | UnsetType = UNSET


class GroupName(Struct, forbid_unknown_fields=True):
    name: str = "default"


class ServerFields(Struct, forbid_unknown_fields=True, kw_only=True):
    """What may be said of a new server."""

    name: str
    flavorRef: str | int
    networks: list[Nic] | Literal["auto", "none"]
    imageRef: str | UnsetType = UNSET
    adminPass: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET
    metadata: Metadata = field(default_factory=dict)
    disk_config: Literal["AUTO", "MANUAL"] = field(name="OS-DCF:diskConfig", default="MANUAL")
    accessIPv4: str = ""
    accessIPv6: str = ""
    availability_zone: str | UnsetType = UNSET
    block_device_mapping: list[dict[str, Any]] = field(default_factory=list)
    block_device_mapping_v2: list[dict[str, Any]] = field(default_factory=list)
    config_drive: Truth | None = False
    key_name: str | UnsetType = UNSET
    min_count: Number = 1
    max_count: Number | UnsetType = UNSET
    return_reservation_id: Truth = False
    security_groups: list[GroupName] = field(default_factory=list)
    user_data: Annotated[str, Meta(max_length=65535)] | UnsetType = UNSET
    description: str | None = None
    tags: Tags = field(default_factory=list)
    trusted_image_certificates: list[str] | None = None
    host: str | UnsetType = UNSET
    hypervisor_hostname: str | UnsetType = UNSET
    hostname: str | UnsetType = UNSET


class InjectedFile(Struct, forbid_unknown_fields=True):
    path: str
    contents: str


class ServerFieldsWithFiles(ServerFields, forbid_unknown_fields=True, kw_only=True):
    """Until 2.56."""

    personality: list[InjectedFile] = field(default_factory=list)


class NewServer(Struct, forbid_unknown_fields=True, kw_only=True):
    server: ServerFields
    hints: dict[str, Any] = field(name="os:scheduler_hints", default_factory=dict)
    old_hints: dict[str, Any] = field(name="OS-SCH-HNT:scheduler_hints", default_factory=dict)


class NewServerWithFiles(NewServer, forbid_unknown_fields=True, kw_only=True):
    """Until 2.56."""

    server: ServerFieldsWithFiles


class ServerChange(Struct, forbid_unknown_fields=True, kw_only=True):
    """What PUT /servers/{id} may change."""

    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    hostname: str | UnsetType = UNSET
    accessIPv4: str | UnsetType = UNSET
    accessIPv6: str | UnsetType = UNSET
    disk_config: Literal["AUTO", "MANUAL"] | UnsetType = field(name="OS-DCF:diskConfig", default=UNSET)
    pinned_availability_zone: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType | None = UNSET


class ServerUpdate(Struct, forbid_unknown_fields=True):
    server: ServerChange


class MetadataBody(Struct, forbid_unknown_fields=True):
    metadata: Metadata


class MetaBody(Struct, forbid_unknown_fields=True):
    meta: Annotated[Metadata, Meta(min_length=1, max_length=1)]


class TagsBody(Struct, forbid_unknown_fields=True):
    tags: Tags


class ConsoleOutput(Struct, forbid_unknown_fields=True):
    length: Number | None = None


class Lock(Struct, forbid_unknown_fields=True):
    """Since 2.73; before, whatever came with the action was ignored."""

    locked_reason: Annotated[str, Meta(min_length=1, max_length=255)] | None = None


class FlavorFields(Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    ram: Number
    vcpus: Number
    disk: Number
    id: str | int | None = None
    ephemeral: Number = field(name="OS-FLV-EXT-DATA:ephemeral", default=0)
    swap: Number = 0
    is_public: Truth = field(name="os-flavor-access:is_public", default=True)
    description: str | None = None


class NewFlavor(Struct, forbid_unknown_fields=True):
    flavor: FlavorFields


class FlavorFieldsWithFactor(FlavorFields, forbid_unknown_fields=True, kw_only=True):
    """Until 2.101."""

    rxtx_factor: float | str = 1.0


class NewFlavorWithFactor(NewFlavor, forbid_unknown_fields=True):
    """Until 2.101."""

    flavor: FlavorFieldsWithFactor


class FlavorDescription(Struct, forbid_unknown_fields=True):
    description: str | None


class FlavorUpdate(Struct, forbid_unknown_fields=True):
    flavor: FlavorDescription


class ExtraSpecs(Struct, forbid_unknown_fields=True):
    extra_specs: dict[str, str | int | float]


class AccessTenant(Struct, forbid_unknown_fields=True):
    tenant: Annotated[str, Meta(min_length=1, max_length=255)]


class KeypairFields(Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    public_key: str
    type: Literal["ssh", "x509"] = "ssh"
    user_id: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType = UNSET


class NewKeypair(Struct, forbid_unknown_fields=True):
    keypair: KeypairFields


class KeypairFieldsToMake(KeypairFields, forbid_unknown_fields=True, kw_only=True):
    """Until 2.91: without a public key, a pair is made."""

    public_key: str | None = None  # type: ignore[assignment]


class KeypairToMake(NewKeypair, forbid_unknown_fields=True):
    """Until 2.91."""

    keypair: KeypairFieldsToMake


class QuotaChange(Struct, forbid_unknown_fields=True, kw_only=True):
    """-1 is unlimited."""

    instances: Number | UnsetType = UNSET
    cores: Number | UnsetType = UNSET
    ram: Number | UnsetType = UNSET
    metadata_items: Number | UnsetType = UNSET
    key_pairs: Number | UnsetType = UNSET
    server_groups: Number | UnsetType = UNSET
    server_group_members: Number | UnsetType = UNSET
    tenant_id: str | UnsetType = UNSET
    force: Truth = False


class QuotaUpdate(Struct, forbid_unknown_fields=True):
    quota_set: QuotaChange


class QuotaChangeWithFiles(QuotaChange, forbid_unknown_fields=True, kw_only=True):
    """Until 2.56; with those of networks until 2.35."""

    injected_files: Number | UnsetType = UNSET
    injected_file_content_bytes: Number | UnsetType = UNSET
    injected_file_path_bytes: Number | UnsetType = UNSET
    fixed_ips: Number | UnsetType = UNSET
    floating_ips: Number | UnsetType = UNSET
    security_groups: Number | UnsetType = UNSET
    security_group_rules: Number | UnsetType = UNSET


class QuotaUpdateWithFiles(QuotaUpdate, forbid_unknown_fields=True):
    """Until 2.56."""

    quota_set: QuotaChangeWithFiles


class ServiceUpdate(Struct, forbid_unknown_fields=True):
    status: Literal["enabled", "disabled"] | UnsetType = UNSET
    disabled_reason: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType = UNSET
    forced_down: Truth | UnsetType = UNSET


class OldServiceUpdate(Struct, forbid_unknown_fields=True):
    """Until 2.52."""

    host: Annotated[str, Meta(min_length=1, max_length=255)]
    binary: Annotated[str, Meta(min_length=1, max_length=255)]
    disabled_reason: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType = UNSET
    forced_down: Truth | UnsetType = UNSET
