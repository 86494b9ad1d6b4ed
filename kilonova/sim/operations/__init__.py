"""What the clients of a simulated cloud do: every kind of operation, how likely it is, and what its answer promises."""

from collections.abc import Awaitable, Callable, Mapping

from kilonova.sim.operations import actions, images, networks, quotas, reads, servers, volumes
from kilonova.sim.operations.scene import Turn

Operation = Callable[[Turn], Awaitable[None]]

OPERATIONS: Mapping[str, tuple[int, Operation]] = {
    "create": (20, servers.create),
    "create_on_network": (6, servers.create_on_network),
    "create_with_volumes": (5, servers.create_with_volumes),
    "create_impossible": (1, servers.create_impossible),
    "create_twice": (3, servers.create_twice),
    "create_nonsense": (1, servers.create_nonsense),
    "delete": (10, servers.delete),
    "act": (20, actions.act),
    "there_and_back": (8, actions.there_and_back),
    "delete_while_busy": (4, actions.delete_while_busy),
    "guard": (1, actions.guard),
    "describe": (2, actions.describe),
    "stranger": (1, actions.stranger),
    "create_volume": (8, volumes.create),
    "extend_volume": (3, volumes.extend),
    "delete_volume": (4, volumes.delete),
    "take_snapshot": (4, volumes.take_snapshot),
    "delete_snapshot": (3, volumes.delete_snapshot),
    "upload_volume": (2, volumes.upload),
    "race_for_volumes": (1, volumes.race),
    "attach_volume": (8, volumes.attach),
    "detach_volume": (5, volumes.detach),
    "create_port": (3, networks.create_port),
    "create_group": (2, networks.create_group),
    "use_group": (2, networks.use_group),
    "create_router": (2, networks.create_router),
    "change_router": (2, networks.change_router),
    "create_floating_ip": (2, networks.create_floating_ip),
    "delete_network_thing": (4, networks.delete),
    "plug_in": (5, networks.plug_in),
    "pull_out": (4, networks.pull_out),
    "delete_image": (3, images.delete),
    "change_quota": (1, quotas.change),
    "race_for_quota": (2, quotas.race),
    "look": (4, reads.look),
    "look_at_actions": (2, reads.look_at_actions),
}
"""Kind → (weight, what is done)."""
ALWAYS = frozenset({"create", "delete"})
"""Kinds that no seed goes without: without servers nothing happens."""
