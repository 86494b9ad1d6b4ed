"""An image as a build needs it: enough to fetch it, check it and boot it."""

from msgspec import Struct, field

from kilonova.model.ids import ImageId


class BootImage(Struct, frozen=True, kw_only=True):
    """What the order carries about its image. `size` and `virtual_size` in bytes, `sha256` in hex."""

    id: ImageId
    name: str
    disk_format: str
    """The format that was *found* when the image was uploaded (qcow2, raw, iso); QEMU is told it and never guesses."""
    size: int
    sha256: str
    virtual_size: int
    min_disk_gb: int = 0
    min_ram_mb: int = 0
    properties: dict[str, str] = field(default_factory=dict)

    def shown_properties(self) -> dict[str, str]:
        """What a server shows of the image it was made from; values are cut to 255 characters, as in Nova."""
        known = {
            "base_image_ref": self.id,
            "disk_format": self.disk_format,
            "min_disk": str(self.min_disk_gb),
            "min_ram": str(self.min_ram_mb),
        }
        return {name: value[:255] for name, value in {**self.properties, **known}.items()}
