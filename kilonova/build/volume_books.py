"""What servers' orders ask of the ledger about volumes, inside one transaction. The real book stands in `ledger/volume/`."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from kilonova.model.caller import Caller
from kilonova.model.volume_link import VolumeLink
from kilonova.model.volume_wish import AttachWish, BootVolume, VolumeTerms


class Volumes(Protocol):
    """An attachment is ``attaching``, ``attached`` or ``detaching``; its volume's status follows it."""

    def reserve(self, wish: AttachWish, caller: Caller, now: float) -> VolumeLink:
        """The volume is this server's from now on, and shows ``attaching``. One that is still being made may be reserved too.

        Raises NotFound, BadRequest when it is not available, Conflict when the device is taken.
        """
        ...

    def attached(self, attachment_id: str, now: float) -> None:
        """The guest has it: ``in-use``. An attachment that is gone meanwhile is no error, here and below."""
        ...

    def begin_detach(self, server_id: str, volume_id: str, now: float) -> VolumeLink:
        """``detaching``. Raises NotFound when it is not attached to this server, Conflict when it is on its way already."""
        ...

    def leaves(self, attachment_id: str, now: float) -> None:
        """``detaching``, whatever it was: what the guest has is not known, and it is pulled out until it has not."""
        ...

    def detached(self, attachment_id: str, now: float) -> None:
        """The guest no longer has it: the attachment is gone, the volume ``available``."""
        ...

    def rolled_back(self, attachment_id: str, now: float) -> None:
        """What was begun did not happen: ``attaching`` ends as never attached, ``detaching`` as attached."""
        ...

    def link(self, server_id: str, volume_id: str) -> VolumeLink:
        """Raises NotFound when it is not attached to this server."""
        ...

    def links_of_server(self, server_id: str) -> tuple[VolumeLink, ...]:
        """All of them, also those on their way, the devices in order."""
        ...

    def links_of_servers(self, server_ids: Sequence[str]) -> Mapping[str, tuple[VolumeLink, ...]]:
        """Server id → its links; a server without any is not in it."""
        ...

    def for_boot(self, wish: BootVolume, caller: Caller, terms: VolumeTerms) -> str:
        """The id of a new volume whose making is ordered with this transaction; `reserve` it in the same one.

        Raises BadRequest, NotFound, QuotaExceeded.
        """
        ...

    def set_delete_on_termination(self, server_id: str, volume_id: str, delete: bool) -> None:
        """Raises NotFound when it is not attached to this server."""
        ...

    def release_server(self, server_id: str, now: float) -> None:
        """The server is gone: its volumes are available again, or their deletion is ordered. None there is no error."""
        ...

    def over(self, exports: Mapping[str, str]) -> dict[str, str]:
        """Of these (volume id → attachment id), those that are over: the volume is there, and has no such attachment."""
        ...
