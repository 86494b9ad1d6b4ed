"""What the tests of killed builds and removals have in common: their cases, and what they do to a cloud."""

import http.client
import shutil
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from tests.chaos.proof import GONE, SETTLE_S, Proof, guests
from tests.cloud.books import BOOKS, running_on
from tests.cloud.running import Cloud, Machine, wait_for

LIMIT_S = 100.0
"""Longer than the half minute after which an order that nobody answered is sent again."""
FIRES_WITHIN_S = 40.0


def around(*points: str) -> list[str]:
    """Each of them with its two moments."""
    return [f"{point}.{when}" for point in points for when in ("before", "after")]


def on_both(family: str, cases: Iterable[Any], sample: int = 1) -> list[Any]:
    """(database, case) for all of them on both; each database is a row of the table."""
    return [
        pytest.param(books, case, marks=pytest.mark.family(f"{family}, {books}", sample=sample), id=f"{_name(case)}-{books}")
        for books in BOOKS
        for case in cases
    ]


class Clouds:
    """A cloud on each database, started when first asked for, that takes faults while it runs."""

    def __init__(self, folder: Path, build_limit_s: float = LIMIT_S) -> None:
        self._folder, self._build_limit_s, self._stack = folder, build_limit_s, ExitStack()
        self._found: dict[str, Cloud] = {}

    def __getitem__(self, books: str) -> Cloud:
        if books not in self._found:
            folder = self._folder / books.lower()
            running = running_on(books, folder, hosts=2, faults="file", build_limit_s=self._build_limit_s)
            self._found[books] = self._stack.enter_context(running)
            self._found[books].api.image()
        return self._found[books]

    def __enter__(self) -> "Clouds":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """They end as if by Ctrl-C, and nothing of them is left."""
        with self._stack:
            for cloud in self._found.values():
                cloud.want_fault()
                assert cloud.down() == 0
                Machine(cloud.data).assert_clean()
                assert cloud.holds() == {}


def strikes(cloud: Cloud, proof: Proof, point: str) -> None:
    """Waits until the fault has struck, and says so."""
    mark = cloud.data / "faults" / point
    wait_for(mark.exists, FIRES_WITHIN_S, f"the fault at {point}", every_s=0.02)
    proof.fired(point, ago_s=time.time() - mark.stat().st_mtime)


def builds(cloud: Cloud, proof: Proof, name: str, point: str, *faults: str) -> None:
    """A build during which the fault at `point` strikes ends ACTIVE, once, and can be deleted without a trace."""
    cloud.want_fault(*faults)
    server_id = cloud.api.build(name)
    strikes(cloud, proof, point)
    is_active_and_goes(cloud, proof, server_id)


def is_active_and_goes(cloud: Cloud, proof: Proof, server_id: str) -> None:
    """ACTIVE, with one guest; then it is deleted, and nothing stays."""
    proof.promise(cloud, {server_id: ("ACTIVE",)}, LIMIT_S)
    assert guests(cloud) == {server_id: 1}
    proof.nothing_stays(cloud, [server_id])


def removes(cloud: Cloud, proof: Proof, name: str, point: str, *faults: str) -> None:
    """A removal during which the fault at `point` strikes comes to its end, and nothing stays."""
    server_id = built(cloud, name)
    cloud.want_fault(*faults)
    delete(cloud, server_id)
    strikes(cloud, proof, point)
    is_gone(cloud, proof, server_id)


def is_gone(cloud: Cloud, proof: Proof, server_id: str) -> None:
    """Deleted, and nothing stays."""
    proof.promise(cloud, {server_id: (GONE,)}, LIMIT_S)
    cloud.assert_nothing_held(SETTLE_S)


def built(cloud: Cloud, name: str) -> str:
    """A server that is ACTIVE, without any fault."""
    cloud.want_fault()
    server_id = cloud.api.build(name)
    server = cloud.api.settled(server_id, LIMIT_S)
    assert server["status"] == "ACTIVE", server
    return server_id


def delete(cloud: Cloud, server_id: str) -> None:
    """Asked for, and taken; not waited for."""
    status, answer = cloud.api.surely("DELETE", f"/compute/v2.1/servers/{server_id}")
    assert status in (204, 404), answer


def broker_loses_all(cloud: Cloud) -> None:
    """Killed, and all it had on disk is gone before it comes back."""
    shutil.rmtree(cloud.data / "nats" / "data")
    cloud.kill("nats")


def patiently(cloud: Cloud, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """(status, decoded body), asked again for a while where nothing answers."""
    until = time.monotonic() + LIMIT_S
    while True:
        try:
            return cloud.api.once(method, path, body)
        except (OSError, http.client.HTTPException):
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def _name(case: Any) -> str:
    return case if isinstance(case, str) else "-".join(map(str, case))
