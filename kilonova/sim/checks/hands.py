"""What the drivers have is what the ledger says: one guest a server, with its disks, wires and exports, and nothing else."""

from collections import defaultdict
from collections.abc import Iterator

from kilonova.model import server as states
from kilonova.sim.checks.servers import HELD, history
from kilonova.sim.checks.view import Row, View
from kilonova.sim.operations.promise import Violation, violation

POWER = {states.POWER_RUNNING: "running", states.POWER_PAUSED: "paused"}
RUNS_AS = {states.ACTIVE: "running", states.RESCUED: "running", states.PAUSED: "paused"}
SPARE = {states.RESCUED: "new", states.RESIZED: "old"}
"""Which second set of disks a server has beside those in use."""


def misfits(view: View) -> Iterator[Violation]:
    servers = {row["id"]: row for row in view.alive}
    yield from _guests(view, servers)
    yield from _disks(view, servers)
    yield from _wires(view, servers)


def _guests(view: View, servers: dict[str, Row]) -> Iterator[Violation]:
    seen: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for host, server_id, power in view.guests:
        seen[server_id].append((host, power))
    for server_id, places in seen.items():
        server, facts = servers.get(server_id), history(view, server_id)
        if len(places) > 1:
            yield violation("two guests", server_id, f"it has guests on {places}", *facts)
        if server is None:
            yield violation("guest", server_id, f"its server is gone, and a guest is on {places}", *facts)
        elif server["host"] != places[0][0]:
            yield violation("guest", server_id, f"it is on {places}, and its server on {server['host']}", *facts)
        else:
            yield from _power(server, places[0][1], server_id in view.ended, facts)
    for server_id, server in servers.items():
        if server["vm_state"] in RUNS_AS and server_id not in seen:
            text = f"it is {server['vm_state']}, and there is no guest of it"
            yield violation("no guest", server_id, text, *history(view, server_id))


def _power(server: Row, power: str, ended: bool, facts: list[str]) -> Iterator[Violation]:
    """Of a server in ERROR nobody says what its guest is; the next hello may. In rescue it may have `ended` by itself."""
    if server["vm_state"] == states.ERROR:
        return
    on, says = power in ("running", "paused"), POWER.get(server["power_state"])
    off_in_rescue = ended and not on and server["vm_state"] == states.RESCUED
    wanted = None if off_in_rescue else RUNS_AS.get(server["vm_state"])
    if (wanted and power != wanted) or (on and says != power) or (not on and says is not None):
        text = f"the guest is {power}, and the ledger says {server['vm_state']}, power {server['power_state']}"
        yield violation("power", server["id"], text, *facts)


def _disks(view: View, servers: dict[str, Row]) -> Iterator[Violation]:
    there = set()
    for host, server_id, spare in view.disks:
        server, facts = servers.get(server_id), history(view, server_id)
        there.add((host, server_id))
        if server is None or server["host"] != host:
            where = "gone" if server is None else f"on {server['host']}"
            yield violation("disks", server_id, f"its server is {where}, and it has disks on {host}", *facts)
        elif server["vm_state"] != states.ERROR and spare != SPARE.get(server["vm_state"], ""):
            yield violation("disks", server_id, f"it is {server['vm_state']}, and its second set of disks is '{spare}'", *facts)
    for server_id, server in servers.items():
        if server["vm_state"] in HELD and (server["host"], server_id) not in there:
            yield violation("disks", server_id, f"it is {server['vm_state']}, and has no disks", *history(view, server_id))


def _wires(view: View, servers: dict[str, Row]) -> Iterator[Violation]:
    """A guest that is off has nothing plugged in: what it starts with, its next start says."""
    ports, volumes = _ids(view, "ports", "device_id", "id"), _ids(view, "volume_attachments", "server_id", "volume_id")
    on = {server_id for _, server_id, power in view.guests if power in ("running", "paused")}
    for server_id in sorted(view.wires):
        if server_id not in servers:
            yield violation("wire", server_id, "its server is gone, and it has wires", *history(view, server_id))
    for server_id, server in servers.items():
        if server["vm_state"] not in RUNS_AS:
            continue
        checks = [("wire", "the network node", ports[server_id], view.wires.get(server_id, frozenset()))]
        if server_id in on:
            checks += [("plugged", "its guest", ports[server_id] | volumes[server_id], view.plugged[server_id])]
        for kind, whose, wanted, has in checks:
            if has != wanted:
                text = f"it is {server['vm_state']}; {whose} lacks {sorted(wanted - has)}, and has {sorted(has - wanted)} besides"
                yield violation(kind, server_id, text, *history(view, server_id))


def _ids(view: View, table: str, whose: str, what: str) -> dict[str, set[str]]:
    """Server → ids of what it has in this table."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in view.rows[table]:
        found[row[whose] or ""].add(row[what])
    return found
