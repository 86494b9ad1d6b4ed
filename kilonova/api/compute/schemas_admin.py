"""Bodies of the requests about what is around servers: groups, aggregates, hosts, classes of quotas, events."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from kilonova.api.compute.schemas import Number

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Zone = Annotated[str, Meta(min_length=1, max_length=255, pattern="^[^:]*$")]
"""A zone's name; what is behind a colon would be a host."""
ServerGroupPolicy = Literal["anti-affinity", "affinity", "soft-anti-affinity", "soft-affinity"]


class ServerGroupFields(Struct, forbid_unknown_fields=True):
    name: str
    policy: ServerGroupPolicy
    rules: dict[str, Number] = field(default_factory=dict)


class NewServerGroup(Struct, forbid_unknown_fields=True):
    server_group: ServerGroupFields


class AggregateFields(Struct, forbid_unknown_fields=True):
    name: Name
    availability_zone: Zone | None = None


class NewAggregate(Struct, forbid_unknown_fields=True):
    aggregate: AggregateFields


class AggregateChange(Struct, forbid_unknown_fields=True):
    name: Name | UnsetType = UNSET
    availability_zone: Zone | UnsetType | None = UNSET


class AggregateUpdate(Struct, forbid_unknown_fields=True):
    aggregate: AggregateChange


class HostName(Struct, forbid_unknown_fields=True):
    host: Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9_.\-]+$")]


class AggregateMetadata(Struct, forbid_unknown_fields=True):
    metadata: dict[
        Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9\-_:. ]+$")],
        Annotated[str, Meta(max_length=255)] | None,
    ]


class AggregateAction(Struct, forbid_unknown_fields=True):
    """Exactly one of them."""

    add_host: HostName | UnsetType = UNSET
    remove_host: HostName | UnsetType = UNSET
    set_metadata: AggregateMetadata | UnsetType = UNSET


class ImageToCache(Struct, forbid_unknown_fields=True):
    id: str


class CacheImages(Struct, forbid_unknown_fields=True):
    cache: Annotated[list[ImageToCache], Meta(min_length=1)]


class HostChange(Struct, forbid_unknown_fields=True):
    status: str | UnsetType = UNSET
    maintenance_mode: str | UnsetType = UNSET


class QuotaClassLimits(Struct, forbid_unknown_fields=True, kw_only=True):
    """-1 is unlimited."""

    instances: Number | UnsetType = UNSET
    cores: Number | UnsetType = UNSET
    ram: Number | UnsetType = UNSET
    metadata_items: Number | UnsetType = UNSET
    key_pairs: Number | UnsetType = UNSET
    server_groups: Number | UnsetType = UNSET
    server_group_members: Number | UnsetType = UNSET
    injected_files: Number | UnsetType = UNSET
    injected_file_content_bytes: Number | UnsetType = UNSET
    injected_file_path_bytes: Number | UnsetType = UNSET
    fixed_ips: Number | UnsetType = UNSET
    floating_ips: Number | UnsetType = UNSET
    security_groups: Number | UnsetType = UNSET
    security_group_rules: Number | UnsetType = UNSET


class QuotaClassUpdate(Struct, forbid_unknown_fields=True):
    quota_class_set: QuotaClassLimits


class ExternalEvent(Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    server_uuid: str
    status: Literal["failed", "completed", "in-progress"] | UnsetType = UNSET
    tag: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET


class ExternalEvents(Struct, forbid_unknown_fields=True):
    events: Annotated[list[ExternalEvent], Meta(min_length=1)]
