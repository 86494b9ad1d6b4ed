"""What one case of the matrix found, and the promise that all of them are held against.

A case says where its fault struck, and which servers it was promised what for. Lost: a promised server that did not end so in
time. Duplicated: a server with more than one guest. Orphans: what the audit finds once everything has settled.
"""

import os
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from tests.cloud.processes import guests_of
from tests.cloud.running import Cloud, remembered, wait_for

RESULTS = "KILONOVA_PROOF"
"""The environment's name of the folder that results are written into; unset: they are not."""
SETTLE_S = 60.0
GONE = "GONE"


class Case(Struct, frozen=True, kw_only=True):
    """One line of the results. `recovery_s`: from the fault to the promise kept; None where that was not measured."""

    family: str
    name: str
    fired: tuple[str, ...] = ()
    lost: int = 0
    duplicated: int = 0
    orphans: int = 0
    recovery_s: float | None = None
    kept: bool = False


class Proof:
    """The `proof` of a test: `fired` as the fault is seen to strike, `promise` once, `nothing_stays` at the end."""

    def __init__(self, family: str, name: str) -> None:
        self.family, self.name = family, name
        self.places: list[str] = []
        self.lost = self.duplicated = self.orphans = 0
        self.recovery_s: float | None = None
        self._struck_at: float | None = None

    def fired(self, where: str, ago_s: float = 0.0) -> None:
        """The fault did strike, at this point or in this place, so long ago; recovery counts from the first of them."""
        self.places.append(where)
        self._struck_at = self._struck_at or time.monotonic() - ago_s

    def recovered(self) -> float:
        """What was broken works again; the seconds it took. For cases where that is not a server's end."""
        assert self._struck_at is not None, "nothing has struck yet"
        self.recovery_s = time.monotonic() - self._struck_at
        return self.recovery_s

    def promise(self, cloud: Cloud, promised: Mapping[str, Collection[str]], within_s: float = 100.0) -> None:
        """Each server (id → statuses, ``GONE`` for deleted) ends so, once, and the audit finds nothing. Raises AssertionError."""
        missing = dict(promised)
        with suppress(TimeoutError):
            wait_for(lambda: not _strike_out(cloud, missing), within_s, "the promise", every_s=0.1)
        if self._struck_at is not None and self.recovery_s is None:
            self.recovered()
        self.lost += len(missing)
        self.duplicated += sum(number > 1 for number in guests(cloud).values())
        found = _findings(cloud)
        self.orphans += len(found)
        told = {server_id: cloud.api.server(server_id) for server_id in missing}
        assert not missing, f"not as promised within {within_s:.0f} s: {told}"
        assert not self.duplicated, f"more than one guest: {guests(cloud)}"
        assert not found, found

    def nothing_stays(self, cloud: Cloud, server_ids: Iterable[str]) -> None:
        """They are deleted, and nothing of them is left. Raises AssertionError."""
        for server_id in server_ids:
            cloud.api.delete(server_id, within_s=SETTLE_S)
        try:
            cloud.assert_nothing_held(within_s=SETTLE_S)
        except AssertionError:
            self.orphans += 1
            raise

    def write_down(self, kept: bool) -> None:
        """A line for the table, if one is wanted."""
        folder = os.environ.get(RESULTS)
        if folder:
            line = Case(
                family=self.family,
                name=self.name,
                fired=tuple(self.places),
                lost=self.lost,
                duplicated=self.duplicated,
                orphans=self.orphans,
                recovery_s=self.recovery_s,
                kept=kept,
            )
            Path(folder).mkdir(parents=True, exist_ok=True)
            with (Path(folder) / f"{os.getpid()}.jsonl").open("ab") as file:
                file.write(msgspec.json.encode(line) + b"\n")


def guests(cloud: Cloud) -> Counter[str]:
    """Server id → how many guests it has, over all simulated hosts and all of QEMU's processes."""
    found: Counter[str] = Counter()
    for memory in cloud.data.glob("nodes/*/sim-*.guests"):
        found.update(remembered(memory))
    for pid in guests_of(cloud.data):
        with suppress(OSError, ValueError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            found[words[words.index(b"-uuid") + 1].decode()] += 1
    return found


def _strike_out(cloud: Cloud, missing: dict[str, Collection[str]]) -> dict[str, Collection[str]]:
    """Without those that are as promised by now. An ERROR counts only with its reason."""
    for server_id, statuses in list(missing.items()):
        status, answer = cloud.api.surely("GET", f"/compute/v2.1/servers/{server_id}")
        server: dict[str, Any] = {"status": GONE} if status == 404 else answer.get("server", {})
        explained = server.get("status") != "ERROR" or server.get("fault", {}).get("message")
        if server.get("status", "") in statuses and explained and server.get("OS-EXT-STS:task_state") is None:
            del missing[server_id]
    return missing


def _findings(cloud: Cloud) -> list[object]:
    """Of the audit, as soon as nothing is in motion any more."""
    with suppress(TimeoutError):
        wait_for(lambda: not cloud.api.audit()["findings"], SETTLE_S, "a clean audit", every_s=0.2)
    return list(cloud.api.audit()["findings"])
