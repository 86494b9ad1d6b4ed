"""The database cannot be written, is slow, or is away for a while: who asks is told so, nothing that was accepted is lost.

While it lasts questions are answered where they can be, and nodes keep what they have to report; afterwards everything goes on.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.databases import ON_POSTGRES, ON_SQLITE, Fault, Place, knows_immutable
from tests.chaos.disks import NEEDS_ROOT, SmallDisk, standing, up_on
from tests.chaos.killing import LIMIT_S
from tests.chaos.moments import OPERATIONS, Moment, ends_well, in_the_middle, moments, without_quota
from tests.chaos.proof import Proof
from tests.cloud.books import POSTGRESQL, SQLITE, OnPostgres
from tests.cloud.running import Cloud, Machine
from tests.ledger.postgres import postgres

pytestmark = [pytest.mark.cloud, pytest.mark.wire, pytest.mark.timeout(400), *NEEDS_ROOT]

REFUSES_WITHIN_S = 60.0
AT_CONTROL = [
    moment
    for operation in OPERATIONS
    for moment in moments(operation)
    if moment.point.startswith("control.") or moment.point.endswith("finish.before")
]
"""Where control or a node's last word is in the middle of something: these are who write."""


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The ledger lies on a small disk of its own; what the tests look at is a link to it."""
    folder = tmp_path_factory.mktemp("on-sqlite")
    file = folder / "small" / "ledger.sqlite"
    cloud = Cloud(folder, hosts=2, faults="file", build_limit_s=LIMIT_S, database_url=f"sqlite:///{file}")
    cloud.data.mkdir()
    (cloud.data / "ledger.sqlite").symlink_to(file)
    with up_on(SmallDisk(file.parent, 24), cloud) as cloud:
        without_quota(cloud)
        yield Place(cloud, SmallDisk(file.parent, 24))


@pytest.fixture(scope="module")
def on_sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The ledger where it is by default, on a file system that knows read-only files."""
    places = [tmp_path_factory.getbasetemp(), Path(tempfile.gettempdir())]
    place = next(filter(knows_immutable, places), None)
    if place is None:
        pytest.skip("no temporary folder here is on a file system that knows read-only files")
    with tempfile.TemporaryDirectory(dir=place, prefix="kilonova-tests-") as folder:
        cloud = Cloud(Path(folder), hosts=2, faults="file", build_limit_s=LIMIT_S)
        with standing(cloud):
            without_quota(cloud)
            yield Place(cloud, SmallDisk(Path(folder) / "none", 1))
        Machine(cloud.data).assert_clean()


@pytest.fixture(scope="module")
def on_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The cloud's tables lie on a small disk of their own; the server's own log does not."""
    with postgres() as server, SmallDisk(server.folder / "small", 48) as disk:
        tables = disk.folder / "tables"
        tables.mkdir()
        os.chown(tables, server.folder.stat().st_uid, server.folder.stat().st_gid)
        server.do(f"CREATE TABLESPACE small LOCATION '{tables}'")
        cloud = OnPostgres(tmp_path_factory.mktemp("on-postgres"), server, hosts=2, faults="file", build_limit_s=LIMIT_S)
        server.do(f"ALTER DATABASE {cloud.database} SET TABLESPACE small")
        with standing(cloud):
            without_quota(cloud)
            yield Place(cloud, disk, server)
        Machine(cloud.data).assert_clean()
        server.stop()


def _cases(books: str, faults: tuple[Fault, ...]) -> list[Any]:
    """Every fault at every moment; each fault is a row of the table. A sample is taken of those that refuse changes."""
    return [
        pytest.param(
            fault, moment, marks=pytest.mark.family(f"{books} {fault}", sample=int(fault.refuses)), id=f"{fault}-{moment}"
        )
        for fault in faults
        for moment in AT_CONTROL
    ]


@pytest.mark.parametrize(("fault", "moment"), _cases(SQLITE, ON_SQLITE))
def test_on_sqlite(request: pytest.FixtureRequest, proof: Proof, fault: Fault, moment: Moment) -> None:
    place: Place = request.getfixturevalue("on_sqlite_file" if fault.name.startswith("read-only") else "on_sqlite")
    _all_ends_as_promised(place, proof, fault, moment)


@pytest.mark.parametrize(("fault", "moment"), _cases(POSTGRESQL, ON_POSTGRES))
def test_on_postgres(on_postgres: Place, proof: Proof, fault: Fault, moment: Moment) -> None:
    _all_ends_as_promised(on_postgres, proof, fault, moment)


def _all_ends_as_promised(place: Place, proof: Proof, fault: Fault, moment: Moment) -> None:
    cloud, name = place.cloud, f"{fault}-{moment}".replace(" ", "-")
    server_id = in_the_middle(cloud, moment, name)
    accepted: list[str] = []
    refused = said = ""
    with fault.strike(place):
        if fault.refuses:
            accepted, refused, said = _until_refused(cloud, f"{name}-meanwhile")
        status, answer = cloud.api.surely("GET", "/compute/v2.1/servers/detail")
        assert (status == 200) if fault.reads else _is_clear(status, answer), (status, answer)
    proof.fired(f"{fault} at {moment} {said}")
    proof.promise(cloud, dict.fromkeys(accepted, ("ACTIVE",)), LIMIT_S)
    proof.recovery_s = None  # it is over when what was under way is
    if refused:
        assert cloud.api.send("GET", f"/compute/v2.1/servers?name=^{refused}$")["servers"] == [], "it was refused, and is there"
    for one in accepted:
        cloud.api.delete(one, LIMIT_S)
    ends_well(cloud, proof, moment.operation, server_id)


def _until_refused(cloud: Cloud, name: str) -> tuple[list[str], str, str]:
    """Builds are ordered until one is refused: those that were accepted, the name of the one that was not, and what was said."""
    accepted: list[str] = []
    until = time.monotonic() + REFUSES_WITHIN_S
    while time.monotonic() < until:
        wish = {"name": f"{name}-{len(accepted)}", "flavorRef": "1", "imageRef": cloud.api.image(), "networks": "none"}
        status, answer = cloud.api.once("POST", "/compute/v2.1/servers", {"server": wish}, OpenStack_API_Version="compute 2.96")
        if status != 202:
            assert _is_clear(status, answer), (status, answer)
            return accepted, wish["name"], answer["serviceUnavailable"]["message"]
        accepted.append(answer["server"]["id"])
    raise AssertionError(f"{len(accepted)} were accepted, none was refused")


def _is_clear(status: int, answer: Any) -> bool:
    """503 in the form of OpenStack, with a sentence."""
    told = (answer or {}).get("serviceUnavailable") or (answer or {}).get("error") or {}
    return status == 503 and told.get("code") == 503 and str(told.get("message", "")).endswith(".")
