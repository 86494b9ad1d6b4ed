"""The query parameters that listings know. What they mean is said where each is read."""

PAGE = frozenset({"limit", "marker"})
SORT = frozenset({"sort_key", "sort_dir"})

OWNER_SERVER_FILTERS = frozenset(
    [
        "reservation_id",
        "name",
        "status",
        "image",
        "flavor",
        "ip",
        "ip6",
        "changes-since",
        "changes-before",
        "tags",
        "tags-any",
        "not-tags",
        "not-tags-any",
        "locked",
        "availability_zone",
        "config_drive",
        "key_name",
        "created_at",
        "launched_at",
        "terminated_at",
        "power_state",
        "task_state",
        "vm_state",
        "progress",
        "user_id",
    ]
)
"""What everybody may search servers by."""

ADMIN_SERVER_FILTERS = frozenset(
    [
        "host",
        "node",
        "hostname",
        "project_id",
        "tenant_id",
        "deleted",
        "soft_deleted",
        "uuid",
        "instance_type_id",
        "locked_by",
        "description",
        "display_description",
        "display_name",
        "root_device_name",
        "kernel_id",
        "ramdisk_id",
        "image_ref",
        "launch_index",
        "access_ip_v4",
        "access_ip_v6",
        "auto_disk_config",
        "cell_name",
        "disable_terminate",
    ]
)
"""What only admins may search servers by; others' are ignored, as in Nova."""

JOINED_TABLES = frozenset(
    ["block_device_mapping", "services", "metadata", "system_metadata", "info_cache", "security_groups", "pci_devices"]
)
"""Nova knows these names, and refuses to search by them."""
SERVER_PARAMETERS = OWNER_SERVER_FILTERS | ADMIN_SERVER_FILTERS | PAGE | SORT | JOINED_TABLES | {"all_tenants"}
FLAVOR_PARAMETERS = PAGE | SORT | {"is_public", "minRam", "minDisk", "name"}
KEYPAIR_PARAMETERS = PAGE | {"user_id"}
ACTION_PARAMETERS = PAGE | {"changes-since", "changes-before"}
MIGRATION_PARAMETERS = PAGE | {
    "hidden",
    "host",
    "instance_uuid",
    "migration_type",
    "source_compute",
    "status",
    "changes-since",
    "changes-before",
    "user_id",
    "project_id",
}
HYPERVISOR_PARAMETERS = PAGE | {"hypervisor_hostname_pattern", "with_servers"}
