"""On a cloud that runs: what a node's credential opens on its broker, and what it does not."""

import asyncio
from pathlib import Path

import nats.errors
import pytest
from nats.aio.client import Client, RawCredentials

from kilonova.bus import subjects
from tests.cloud.running import Cloud, running

pytestmark = [pytest.mark.cloud, pytest.mark.wire]


async def test_a_node_reads_its_own_queue_and_no_other(tmp_path: Path) -> None:
    with running(tmp_path, hosts=1) as cloud:
        minted = await asyncio.to_thread(cloud.verb, "credential", "other", "--role", "compute", "--host", "other")
        other = await _connected(cloud, minted.stdout, "other")
        try:
            refused: list[str] = other.refused
            overheard: list[str] = []

            async def hear(message: object) -> None:
                overheard.append(str(message))

            own = subjects.deliver_subject("compute", "other")
            await other.client.subscribe(own, cb=hear)
            await other.client.flush()
            assert refused == [], "its own queue is open to it"
            strange = (
                subjects.deliver_subject("compute", "sim-0001"),
                subjects.deliver_subject("network", "network-simulated"),
                subjects.queue_subject(subjects.queue("compute", "sim-0001")),
                "deliver.>",
                "queue.>",
                ">",
            )
            for number, subject in enumerate(strange):
                await other.client.subscribe(subject, cb=hear)
                await other.client.flush()
                assert await _refusals(other, number + 1), (subject, refused)
            for subject in (
                subjects.queue_subject(subjects.queue("compute", "sim-0001")),
                subjects.report_subject("simulated"),
                f"$JS.API.CONSUMER.MSG.NEXT.{subjects.ORDERS}.{subjects.consumer('compute', 'sim-0001')}",
                f"$JS.API.STREAM.DELETE.{subjects.ORDERS}",
            ):
                said = len(refused)
                await other.client.publish(subject, b"")
                await other.client.flush()
                assert await _refusals(other, said + 1), (subject, refused)
            server_id = await asyncio.to_thread(cloud.api.build, "private")
            assert (await asyncio.to_thread(cloud.api.settled, server_id, 30))["status"] == "ACTIVE"
            assert overheard == []
        finally:
            await other.client.close()


async def test_a_node_of_another_cloud_is_not_let_in(tmp_path: Path) -> None:
    with running(tmp_path / "one", hosts=1) as cloud, running(tmp_path / "two", hosts=1) as other:
        stolen = (other.data / "credentials" / "simulated.creds").read_text()
        with pytest.raises((nats.errors.Error, ConnectionError)):
            await _connected(cloud, stolen, "simulated")


def test_secrets_are_for_their_owner_alone(tmp_path: Path) -> None:
    with running(tmp_path, hosts=1) as cloud:
        for folder in ("secrets", "credentials"):
            assert (cloud.data / folder).stat().st_mode & 0o077 == 0
        files = [
            *cloud.data.glob("secrets/**/*"),
            *cloud.data.glob("credentials/*"),
            cloud.data / "openrc",
            cloud.data / "clouds.yaml",
        ]
        open_to_others = [str(file) for file in files if file.is_file() and file.stat().st_mode & 0o077]
        assert open_to_others == []


class _Party:
    """A bare client, and what the broker refused it."""

    def __init__(self) -> None:
        self.client = Client()
        self.refused: list[str] = []

    async def note(self, error: Exception) -> None:
        if "permissions violation" in str(error).lower():
            self.refused.append(str(error))


async def _refusals(party: _Party, count: int) -> bool:
    """Whether there are exactly so many: the client tells of them in a task of its own, a moment after the broker did."""
    for _ in range(500):
        if len(party.refused) >= count:
            break
        await asyncio.sleep(0.01)
    return len(party.refused) == count


async def _connected(cloud: Cloud, credentials: str, name: str) -> _Party:
    party = _Party()
    try:
        await party.client.connect(
            (cloud.data / "run" / "nats.url").read_text().strip(),
            user_credentials=RawCredentials(credentials),
            inbox_prefix=subjects.inbox(name),
            allow_reconnect=False,
            error_cb=party.note,
        )
    except BaseException:
        await party.client.close()
        raise
    return party
