"""2.3: admins see more of a server: reservation, launch index, host name, kernel, ramdisk, root device, user data."""

from kilonova.api.compute.changes.change import Change, Shown, without

PREFIX = "OS-EXT-SRV-ATTR:"
CHANGE = Change(
    lower={
        Shown.SERVER: without(
            PREFIX + "reservation_id",
            PREFIX + "launch_index",
            PREFIX + "hostname",
            PREFIX + "kernel_id",
            PREFIX + "ramdisk_id",
            PREFIX + "root_device_name",
            PREFIX + "user_data",
        )
    }
)
