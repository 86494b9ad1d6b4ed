"""The bodies clients send, as shapes. What they mean is decided elsewhere."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Name = Annotated[str, Meta(max_length=255)]
Text = Annotated[str, Meta(max_length=255)]
Required = Annotated[str, Meta(min_length=1, max_length=255)]
Key = Annotated[str, Meta(min_length=1, max_length=255)]
Value = Annotated[str, Meta(max_length=255)]
Pairs = dict[Key, Value]
Uuid = Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$")]


class VolumeCreate(Struct, kw_only=True, rename={"image_ref": "imageRef"}):
    size: int | None = None
    name: Name | None = None
    display_name: Name | None = None
    description: Text | None = None
    display_description: Text | None = None
    volume_type: Name | None = None
    availability_zone: Name | None = None
    metadata: Pairs | None = None
    snapshot_id: Uuid | None = None
    source_volid: Uuid | None = None
    image_ref: Name | None = None
    image_id: Name | None = None
    multiattach: bool | None = None
    consistencygroup_id: Name | None = None
    group_id: Name | None = None
    backup_id: Name | None = None


class VolumeChange(Struct, kw_only=True):
    name: Name | UnsetType | None = UNSET
    display_name: Name | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET
    display_description: Text | UnsetType | None = UNSET
    metadata: Pairs | UnsetType = UNSET


class SnapshotCreate(Struct, kw_only=True):
    volume_id: str | None
    name: Name | None = None
    display_name: Name | None = None
    description: Text | None = None
    display_description: Text | None = None
    force: bool | None = None
    metadata: Pairs | None = None


class SnapshotChange(Struct, kw_only=True):
    name: Name | UnsetType | None = UNSET
    display_name: Name | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET
    display_description: Text | UnsetType | None = UNSET


class Extend(Struct, kw_only=True, forbid_unknown_fields=True):
    new_size: int


class SetBootable(Struct, kw_only=True, forbid_unknown_fields=True):
    bootable: bool


class SetReadOnly(Struct, kw_only=True, forbid_unknown_fields=True):
    readonly: bool


class ResetStatus(Struct, kw_only=True):
    status: str | None = None
    attach_status: str | None = None
    migration_status: str | None = None


class UploadImage(Struct, kw_only=True):
    image_name: Required
    force: bool = False
    disk_format: str = "raw"
    container_format: str = "bare"
    visibility: Literal["public", "private", "shared", "community"] = "private"
    protected: bool = False


class Attach(Struct, kw_only=True, forbid_unknown_fields=True):
    mountpoint: Required
    instance_uuid: Uuid | None = None
    host_name: Name | None = None
    mode: Literal["rw", "ro"] = "rw"


class Detach(Struct, kw_only=True):
    attachment_id: Uuid | None = None


class Retype(Struct, kw_only=True, forbid_unknown_fields=True):
    new_type: Required
    migration_policy: Literal["never", "on-demand"] | None = None


class Revert(Struct, kw_only=True, forbid_unknown_fields=True):
    snapshot_id: Uuid


class TypeCreate(Struct, kw_only=True):
    name: Required
    description: Text | None = None
    extra_specs: Pairs | None = None


class TypeChange(Struct, kw_only=True):
    name: Name | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET
    is_public: bool | UnsetType = UNSET


class ProjectAccess(Struct, kw_only=True, forbid_unknown_fields=True):
    project: Required


class TransferCreate(Struct, kw_only=True):
    volume_id: Uuid
    name: Name | None = None
    no_snapshots: bool = False


class Accept(Struct, kw_only=True):
    auth_key: Required


class AttachmentCreate(Struct, kw_only=True):
    volume_uuid: Uuid
    instance_uuid: Uuid | None = None
    connector: dict[str, object] | None = None
    mode: Literal["rw", "ro"] | None = None


class ServiceChange(Struct, kw_only=True):
    host: Required
    binary: str = ""
    service: str = ""
    disabled_reason: Annotated[str, Meta(min_length=1, max_length=255)] | None = None


class QosKeys(Struct, kw_only=True):
    keys: list[Key]
