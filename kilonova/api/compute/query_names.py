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
        "uuid",
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
        "description",
        "display_description",
        "display_name",
        "root_device_name",
        "kernel_id",
        "ramdisk_id",
        "image_ref",
        "instance_type_id",
        "launch_index",
        "access_ip_v4",
        "access_ip_v6",
        "auto_disk_config",
        "cell_name",
        "disable_terminate",
        "ephemeral_gb",
        "host_status",
    ]
)
"""What only admins may search servers by; others' are ignored, as in Nova."""

SERVER_PARAMETERS = (
    OWNER_SERVER_FILTERS | ADMIN_SERVER_FILTERS | PAGE | SORT | {"all_tenants", "soft_deleted", "block_device_mapping"}
)
FLAVOR_PARAMETERS = PAGE | SORT | {"is_public", "minRam", "minDisk"}
KEYPAIR_PARAMETERS = PAGE | {"user_id"}
ACTION_PARAMETERS = PAGE | {"changes-since", "changes-before"}
HYPERVISOR_PARAMETERS = PAGE | {"hypervisor_hostname_pattern", "with_servers"}
