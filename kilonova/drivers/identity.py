"""Who the processes run as that we start for others: a user without rights, another one for each."""

import os
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec import Struct


class Identity(Struct, frozen=True):
    """Who a guest's process runs as; `uid` None: as ourselves, since only root can become somebody else."""

    uid: int | None = None
    groups: tuple[int, ...] = ()

    def as_popen_arguments(self) -> dict[str, Any]:
        """For `subprocess.Popen`: numbers only, no entry in passwd is needed."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.uid, "extra_groups": list(self.groups)}


class UidRange(Struct, frozen=True):
    """The users that processes run as when we are root: each server and volume has one of its own, so none can reach another's.

    The default lies above what system accounts, containers and user namespaces usually take.
    """

    first: int = 1_900_000_000
    count: int = 200_000_000

    def identity(self, name: str) -> Identity:
        """Who the process of this server runs as, the same at every start; it may use KVM."""
        plain = self.plain(name)
        return plain if plain.uid is None else Identity(plain.uid, _kvm_group())

    def plain(self, name: str) -> Identity:
        """Who the processes of this volume run as."""
        if os.geteuid() != 0:
            return Identity()
        number = int.from_bytes(sha256(name.encode()).digest()[:8], "big")
        return Identity(self.first + number % self.count)


def _kvm_group() -> tuple[int, ...]:
    """The group that may open /dev/kvm, unless that is root's."""
    try:
        group = Path("/dev/kvm").stat().st_gid
    except OSError:
        return ()
    return (group,) if group else ()
