"""Where in an operation a fault from outside finds it: held up at a point for a moment, so that the fault strikes in the middle.

The moments are made from the sagas: a new step has its moment by itself.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from kilonova.build import CARRY_OUT
from kilonova.build.connect import unwire_ports, wire_ports
from kilonova.build.export import ExportGiven
from kilonova.build.record import Placed
from kilonova.build.report import ServerGone, ServerRuns, TaskDone
from kilonova.lifecycle.actions import SERVER_ACTIONS
from kilonova.lifecycle.attach import AttachVolume
from kilonova.lifecycle.remove import REMOVE, Removal
from kilonova.saga import Saga
from tests.chaos import acts
from tests.chaos.killing import LIMIT_S, around, delete, is_active_and_goes, is_gone
from tests.chaos.proof import GONE, Proof
from tests.cloud.books import running_on
from tests.cloud.running import Cloud, Machine, wait_for
from tests.story.deeds import DEEDS

CREATE, DELETE, STOP, ATTACH = OPERATIONS = ("create", "delete", "stop", "attach_volume")
ACTIONS = (STOP, ATTACH)
AS = {"OpenStack_API_Version": acts.VERSION}
HELD_S = 0.7
"""How long an operation is held up: long enough to be seen there and struck."""
REACHED_WITHIN_S = 40.0


def taking_faults(books: str, folder: Path, hosts: int = 2) -> Iterator[Cloud]:
    """The body of a fixture: a cloud that takes faults while it runs, and of which nothing is left when it ends."""
    with running_on(books, folder, hosts=hosts, faults="file", build_limit_s=LIMIT_S) as cloud:
        cloud.api.image()
        yield cloud
        cloud.want_fault()
        assert cloud.down() == 0
        Machine(cloud.data).assert_clean()
        assert cloud.holds() == {}


class Moment(Struct, frozen=True):
    """A point in one operation."""

    operation: str
    point: str

    def __str__(self) -> str:
        return f"{self.operation}-{self.point}"


def _saga(operation: str) -> tuple[Saga, str, str, list[str]]:  # type: ignore[type-arg]
    """Its saga, the order that it comes in, its last word, and what other nodes do for it."""
    if operation == CREATE:
        return CARRY_OUT, Placed.__name__, ServerRuns.__name__, around(f"network.{wire_ports.__name__}")
    if operation == DELETE:
        return REMOVE, Removal.__name__, ServerGone.__name__, around(f"network.{unwire_ports.__name__}")
    saga = SERVER_ACTIONS[operation].saga
    served = [f"volume.send.{ExportGiven.__name__}.before"] if saga.takes is AttachVolume else []
    return saga, saga.takes.__name__, TaskDone.__name__, served


def moments(operation: str) -> list[Moment]:
    """In order: ledger to broker, broker to node, each step, what other nodes do, the last word on its way and taken."""
    saga, order, word, elsewhere = _saga(operation)
    points = [
        "control.relay.before",
        "control.relay.after",
        f"compute.ack.{order}.before",
        *(f"compute.{step.name}.before" for step in saga.steps),
        *elsewhere,
        "compute.journal.finish.before",
        f"control.{word}.before",
        f"control.{word}.after",
    ]
    return [Moment(operation, point) for point in points]


def all_moments(operations: Iterable[str] = OPERATIONS) -> list[Moment]:
    return [moment for operation in operations for moment in moments(operation)]


def moment_at(role: str, operation: str) -> Moment:
    """Where the role has the operation in hand; where it never has, somewhere in the middle."""
    known = moments(operation)
    return next((moment for moment in known if moment.point.startswith(f"{role}.")), known[len(known) // 2])


def prepare(cloud: Cloud, operation: str, label: str) -> str:
    """The server that the operation is done to; empty where it makes one. Nothing strikes meanwhile."""
    cloud.want_fault()
    if operation == CREATE:
        return ""
    if operation == ATTACH:
        acts.blank_volume(cloud)
    return acts.prepared(cloud, operation if operation in ACTIONS else STOP, label)


def begin(cloud: Cloud, operation: str, label: str, server_id: str) -> str:
    """Asks for it and does not wait; the server's id."""
    if operation == CREATE:
        return cloud.api.build(label)
    if operation == DELETE:
        delete(cloud, server_id)
    elif operation == ATTACH:
        wish = {"volumeId": _free_volume(cloud), "delete_on_termination": True}
        cloud.api.send("POST", f"{acts.SERVERS}/{server_id}/os-volume_attachments", {"volumeAttachment": wish}, **AS)
    else:
        acts.ask(cloud, server_id, acts.request(cloud, server_id, operation))
    return server_id


def in_the_middle(cloud: Cloud, moment: Moment, label: str, held_s: float = HELD_S) -> str:
    """A server that the operation is under way for, and it is at this moment now. There is no other."""
    acts.empty(cloud)
    server_id = prepare(cloud, moment.operation, label)
    cloud.want_fault(f"{moment.point}=hang:{held_s}")
    server_id = begin(cloud, moment.operation, label, server_id)
    wait_for(lambda: cloud.fired(moment.point), REACHED_WITHIN_S, f"the moment {moment}", every_s=0.02)
    return server_id


def _free_volume(cloud: Cloud) -> str:
    found = cloud.api.send("GET", f"{acts.volume_url(cloud)}/volumes/detail?status=available")["volumes"]
    return str(found[0]["id"])


def promised(operation: str, *, may_fail: bool = False) -> tuple[str, ...]:
    """The statuses it may end in. `may_fail`: a part it needs was away for longer than it waits for that."""
    if operation == DELETE:
        return (GONE,)
    done = "ACTIVE" if operation == CREATE else DEEDS[operation].status
    failed = () if not may_fail else ("ERROR",) if operation == CREATE else acts.before_states(operation)
    return (done, *failed)


def ends_well(cloud: Cloud, proof: Proof, operation: str, server_id: str) -> None:
    """As if nothing had happened; then the server goes, and nothing stays."""
    if operation == CREATE:
        is_active_and_goes(cloud, proof, server_id)
    elif operation == DELETE:
        is_gone(cloud, proof, server_id)
    else:
        proof.promise(cloud, {server_id: promised(operation)}, LIMIT_S)
        acts.ended(cloud, server_id)
        acts.as_done(cloud, server_id, DEEDS[operation])
        goes(cloud, proof, [server_id])


def goes(cloud: Cloud, proof: Proof, server_ids: list[str]) -> None:
    """The servers and every volume are deleted, and nothing stays."""
    cloud.want_fault()
    for server_id in server_ids:
        cloud.api.delete(server_id, LIMIT_S)
    acts.rid_of_volumes(cloud)
    proof.nothing_stays(cloud, ())


def without_quota(cloud: Cloud) -> None:
    """As many servers and ports as there is room for."""
    project = cloud.rows("SELECT id FROM identity_projects WHERE name = 'admin'")[0][0]
    unlimited = {"instances": -1, "cores": -1, "ram": -1}
    cloud.api.send("PUT", f"/compute/v2.1/os-quota-sets/{project}", {"quota_set": unlimited})
    cloud.api.send("PUT", f"/network/v2.0/quotas/{project}", {"quota": {"port": -1}})
