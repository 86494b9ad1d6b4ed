"""A whole cloud whose ledger is PostgreSQL: it builds, deletes, outlives a restart of the database, and comes back the same."""

from pathlib import Path

import pytest

from tests.cloud.running import Cloud, running, wait_for
from tests.ledger.postgres import Postgres

pytestmark = [pytest.mark.wire, pytest.mark.cloud, pytest.mark.timeout(240)]
WITHIN_S = 60
HELD = "SELECT (SELECT count(*) FROM claims) + (SELECT count(*) FROM ports) + (SELECT count(*) FROM orders)"


def build_and_delete(cloud: Cloud, name: str) -> str:
    server_id = cloud.api.build(name)
    built = cloud.api.settled(server_id, WITHIN_S)
    assert built["status"] == "ACTIVE", built.get("fault")
    assert list(built["addresses"]) == ["default"]
    cloud.api.delete(server_id, WITHIN_S)
    return server_id


def test_a_cloud_on_postgresql(tmp_path: Path, postgres_server: Postgres) -> None:
    database = postgres_server.new_database()
    with running(tmp_path, database_url=postgres_server.url(database)) as cloud:
        first = build_and_delete(cloud, "one")
        assert not list(cloud.data.glob("*.sqlite")), "the ledger is elsewhere"
        stays = cloud.api.build("stays")
        assert cloud.api.settled(stays, WITHIN_S)["status"] == "ACTIVE"

        postgres_server.stop()
        wait_for(lambda: _refused(cloud), WITHIN_S, "a 503, or no control at all")
        postgres_server.start()
        assert cloud.api.server(stays)["status"] == "ACTIVE"
        build_and_delete(cloud, "two")

        assert cloud.down() == 0
        cloud.up()
        assert cloud.api.server(stays)["status"] in ("ACTIVE", "SHUTOFF")
        cloud.api.delete(stays, WITHIN_S)
        wait_for(lambda: postgres_server.do(HELD, database) == [(0,)], WITHIN_S, "nothing held")
        assert postgres_server.do(f"SELECT vm_state FROM servers WHERE id = '{first}'", database) == [("deleted",)]
        cloud.down()
    postgres_server.drop(database)


def _refused(cloud: Cloud) -> bool:
    try:
        status, _ = cloud.api.once("GET", "/compute/v2.1/servers")
    except OSError:
        return True
    assert status in (200, 503), status
    return status == 503
