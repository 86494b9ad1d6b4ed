"""The facts of a server that its own documents are made of."""

from typing import Protocol

from kilonova.model.flavor import Flavor
from kilonova.model.image import BootImage
from kilonova.model.port import Port


class Described(Protocol):
    """A build as it is ordered has them all (`kilonova.build.record.Placed`)."""

    @property
    def server_id(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def hostname(self) -> str: ...

    @property
    def project_id(self) -> str: ...

    @property
    def flavor(self) -> Flavor: ...

    @property
    def image(self) -> BootImage | None: ...

    @property
    def availability_zone(self) -> str | None:
        """What its owner asked for."""
        ...

    @property
    def zone(self) -> str:
        """Where it is."""
        ...

    @property
    def launch_index(self) -> int: ...

    @property
    def reservation_id(self) -> str: ...

    @property
    def ports(self) -> tuple[Port, ...]: ...

    @property
    def key_name(self) -> str | None: ...

    @property
    def public_key(self) -> str | None: ...

    @property
    def key_type(self) -> str: ...

    @property
    def admin_password(self) -> str | None: ...

    @property
    def user_data(self) -> str | None:
        """Base64."""
        ...

    @property
    def metadata(self) -> dict[str, str]: ...

    @property
    def personality(self) -> tuple[tuple[str, str], ...]:
        """(path, base64)."""
        ...
