"""Every later action on a server by the name of its saga: what nodes carry out and control notes the end of."""

from collections.abc import Mapping

from kilonova.lifecycle.attach import VOLUMES
from kilonova.lifecycle.interfaces import INTERFACES
from kilonova.lifecycle.pause import PAUSES
from kilonova.lifecycle.power import POWER
from kilonova.lifecycle.reboot import REBOOTS
from kilonova.lifecycle.rebuild import REBUILDS
from kilonova.lifecycle.rescue import RESCUES
from kilonova.lifecycle.resize import RESIZES
from kilonova.lifecycle.snapshot import SNAPSHOTS
from kilonova.lifecycle.task import ServerAction

SERVER_ACTIONS: Mapping[str, ServerAction] = {
    **POWER,
    **REBOOTS,
    **PAUSES,
    **REBUILDS,
    **RESIZES,
    **RESCUES,
    **SNAPSHOTS,
    **INTERFACES,
    **VOLUMES,
}
