"""What a node's credential permits, shown on a real broker: each forbidden thing is refused, and what is needed works."""

import asyncio
import base64
import json
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from nats.aio.client import Client, RawCredentials

from kilonova.bus.bus import NatsBus
from kilonova.bus.credentials import Authority
from kilonova.errors import NotAuthenticated
from kilonova.model.ids import HostName, NodeName
from tests.bus.conftest import Broker, Connect
from tests.bus.words import Confirmed, Notes, Order, Report, until

pytestmark = pytest.mark.wire

MY_HOSTS = ["host-1", "host-2"]


class Intruder:
    """A bare NATS client with some credential, and what the broker told it off for."""

    def __init__(self) -> None:
        self.client = Client()
        self.errors: list[str] = []

    async def told_off(self, error: Exception) -> None:
        self.errors.append(str(error))

    async def is_refused(self, direction: str, subject: str) -> bool:
        """Try it; the broker answers a flush after everything it had to say before (the second: nats-py's ping may overtake)."""
        before = len(self.errors)
        if direction == "pub":
            await self.client.publish(subject, b"{}", reply="_INBOX.node-1.x")
        else:
            await self.client.subscribe(subject)
        for _ in range(2):
            await self.client.flush()
        word = {"pub": "publish", "sub": "subscription"}[direction]
        return any("permissions violation" in e and word in e and f'"{subject.lower()}"' in e for e in self.errors[before:])


@pytest.fixture
async def intrude(broker: Broker) -> AsyncIterator[Callable[[str], Awaitable[Intruder]]]:
    opened: list[Client] = []

    async def open_client(creds: str) -> Intruder:
        intruder = Intruder()
        await intruder.client.connect(
            broker.url, user_credentials=RawCredentials(creds), error_cb=intruder.told_off, allow_reconnect=False
        )
        opened.append(intruder.client)
        return intruder

    yield open_client
    for client in opened:
        await client.close()


async def with_queues(connect: Connect) -> NatsBus:
    control = await connect("control")
    await control.ensure_streams()
    for host in ("host-1", "host-2", "host-3"):
        await control.ensure_queue("compute", host)
    await control.ensure_queue("network", "net-1")
    return control


FORBIDDEN_TO_COMPUTE = [
    ("sub", "deliver.compute.host-3"),
    ("sub", "deliver.compute.*"),
    ("sub", "deliver.>"),
    ("sub", "deliver.network.net-1"),
    ("sub", "queue.compute.host-1"),
    ("sub", "queue.>"),
    ("sub", ">"),
    ("sub", "report.*"),
    ("sub", "live.>"),
    ("sub", "news.>"),
    ("sub", "ask.node-2"),
    ("sub", "ask.*"),
    ("sub", "_INBOX.control.>"),
    ("sub", "_INBOX.node-2.>"),
    ("sub", "_INBOX.>"),
    ("sub", "$JS.>"),
    ("sub", "$SYS.>"),
    ("pub", "queue.compute.host-1"),
    ("pub", "queue.compute.host-3"),
    ("pub", "deliver.compute.host-3"),
    ("pub", "report.node-2"),
    ("pub", "live.node-2.s1"),
    ("pub", "news.instance.create.end"),
    ("pub", "ask.node-2"),
    ("pub", "_INBOX.control.1.1"),
    ("pub", "_INBOX.node-2.answer.1.1"),
    ("pub", "$JS.API.INFO"),
    ("pub", "$JS.API.STREAM.CREATE.MINE"),
    ("pub", "$JS.API.STREAM.DELETE.ORDERS"),
    ("pub", "$JS.API.STREAM.PURGE.ORDERS"),
    ("pub", "$JS.API.STREAM.MSG.GET.ORDERS"),
    ("pub", "$JS.API.DIRECT.GET.ORDERS"),
    ("pub", "$JS.API.CONSUMER.CREATE.ORDERS.mine"),
    ("pub", "$JS.API.CONSUMER.CREATE.ORDERS.mine.queue.compute.host-3"),
    ("pub", "$JS.API.CONSUMER.DURABLE.CREATE.ORDERS.mine"),
    ("pub", "$JS.API.CONSUMER.DELETE.ORDERS.compute-host-1"),
    ("pub", "$JS.API.CONSUMER.MSG.NEXT.ORDERS.compute-host-3"),
    ("pub", "$JS.ACK.ORDERS.compute-host-3.1.1.1.1.0"),
    ("pub", "$JS.ACK.ORDERS.network-net-1.1.1.1.1.0"),
    ("pub", "$SYS.REQ.SERVER.PING"),
]


async def test_a_compute_node_may_do_nothing_else(
    broker: Broker, connect: Connect, intrude: Callable[[str], Awaitable[Intruder]]
) -> None:
    await with_queues(connect)
    node = await intrude(broker.node("node-1", MY_HOSTS))
    for direction, subject in FORBIDDEN_TO_COMPUTE:
        assert await node.is_refused(direction, subject), f"{direction} {subject} was not refused"


async def test_a_compute_node_may_do_its_work(
    broker: Broker, connect: Connect, intrude: Callable[[str], Awaitable[Intruder]]
) -> None:
    await with_queues(connect)
    node = await intrude(broker.node("node-1", MY_HOSTS))
    for direction, subject in [
        ("sub", "deliver.compute.host-1"),
        ("sub", "deliver.compute.host-2"),
        ("sub", "_INBOX.node-1.1.*"),
        ("sub", "ask.node-1"),
        ("pub", "report.node-1"),
        ("pub", "live.node-1.s1"),
        ("pub", "queue.network.net-1"),
        ("pub", "$JS.ACK.ORDERS.compute-host-2.1.1.1.1.0"),
    ]:
        assert not await node.is_refused(direction, subject), f"{direction} {subject} was refused"


async def test_a_network_node_serves_its_own_queue_only(
    broker: Broker, connect: Connect, intrude: Callable[[str], Awaitable[Intruder]]
) -> None:
    await with_queues(connect)
    node = await intrude(broker.node("net-1", ["host-1"], "network"))
    forbidden = [
        ("sub", "deliver.compute.host-1"),
        ("sub", "deliver.network.net-2"),
        ("sub", "_INBOX.node-1.>"),
        ("pub", "queue.network.net-2"),
        ("pub", "queue.compute.host-1"),
        ("pub", "_INBOX.node-1.1.1"),
        ("pub", "_INBOX.control.1.1"),
        ("pub", "report.node-1"),
        ("pub", "$JS.ACK.ORDERS.compute-host-1.1.1.1.1.0"),
    ]
    for direction, subject in forbidden:
        assert await node.is_refused(direction, subject), f"{direction} {subject} was not refused"
    assert not await node.is_refused("sub", "deliver.network.net-1")
    assert not await node.is_refused("pub", "_INBOX.node-1.answer.1.1")


async def test_one_answer_to_a_question_and_no_second(
    broker: Broker, connect: Connect, intrude: Callable[[str], Awaitable[Intruder]]
) -> None:
    control = await with_queues(connect)
    node = await intrude(broker.node("node-1", []))
    questions = await node.client.subscribe("ask.node-1")
    await node.client.flush()
    asking = asyncio.create_task(control.ask("ask.node-1", Report(server="s1"), 5, Confirmed))
    question = await questions.next_msg(timeout=10)
    head = {"Kilonova-Message": "Confirmed", "Kilonova-Version": "1"}
    await node.client.publish(question.reply, b"\x81\xa6server\xa2s1", headers=head)
    assert await asking == Confirmed(server="s1")
    assert await node.is_refused("pub", question.reply)


async def test_orders_of_another_host_stay_where_they_are(broker: Broker, connect: Connect) -> None:
    control = await with_queues(connect)
    thief = await connect("node-1", broker.node("node-1", ["host-1"]))
    stolen, mine = Notes(), Notes()
    await thief.serve_queue("compute", "host-3", {Order: stolen.note})
    await until(lambda: bool(thief.refused))
    await control.put("compute.host-3", Order(server="s1"), message_id="m1")
    owner = await connect("node-3", broker.node("node-3", ["host-3"]))
    await owner.serve_queue("compute", "host-3", {Order: mine.note})
    await mine.until(1)
    assert not stolen.came


async def test_a_credential_of_another_authority_is_refused(broker: Broker, tmp_path: Path) -> None:
    other = Authority.open(tmp_path / "other.json")
    for creds in (other.mint_control(), other.mint_node(NodeName("node-1"), [], "compute", timedelta(hours=1))):
        with pytest.raises(NotAuthenticated):
            await NatsBus().connect(broker.url, creds, "node-1", timeout_s=20)


async def test_a_changed_or_signed_by_itself_credential_is_refused(broker: Broker) -> None:
    genuine = broker.node("node-1", ["host-1"])
    jwt = genuine.splitlines()[1]
    head, body, signature = jwt.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    claims["nats"]["sub"]["allow"] = [">"]
    forged_body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    for forged in (f"{head}.{forged_body}.{signature}", f"{head}.{body}.{'A' * len(signature)}"):
        with pytest.raises(NotAuthenticated):
            await NatsBus().connect(broker.url, genuine.replace(jwt, forged), "node-1", timeout_s=20)
    other_seed = broker.node("node-1", ["host-1"]).splitlines()[5]
    stolen_jwt_without_its_key = genuine.replace(genuine.splitlines()[5], other_seed)
    with pytest.raises(NotAuthenticated):
        await NatsBus().connect(broker.url, stolen_jwt_without_its_key, "node-1", timeout_s=20)


async def test_an_expired_credential_is_refused(broker: Broker) -> None:
    expired = broker.authority.mint_node(NodeName("node-1"), [], "compute", timedelta(seconds=-5))
    with pytest.raises(NotAuthenticated):
        await NatsBus().connect(broker.url, expired, "node-1", timeout_s=20)


async def test_a_connection_ends_with_its_credential_unless_it_got_a_new_one(broker: Broker) -> None:
    def short() -> str:
        return broker.authority.mint_node(NodeName("node-1"), [], "compute", timedelta(seconds=2))

    lost = asyncio.Event()

    async def note_lost() -> None:
        lost.set()

    careless, careful = NatsBus(on_lost=note_lost), NatsBus()
    await careless.connect(broker.url, short(), "node-1", timeout_s=20)
    await careful.connect(broker.url, short(), "node-1", timeout_s=20)
    try:
        await careful.use_credentials(broker.node("node-1", []))
        await asyncio.wait_for(lost.wait(), 20)
        assert not careless.connected
        await until(lambda: careful.connected)
    finally:
        await careless.close()
        await careful.close()


def test_the_authority_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "authority.json"
    first, second = Authority.open(path), Authority.open(path)
    assert first.system_account == second.system_account
    assert set(first.account_jwts()) == set(second.account_jwts())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["authority.json"]


def test_a_node_cannot_be_called_control(tmp_path: Path) -> None:
    authority = Authority.open(tmp_path / "authority.json")
    with pytest.raises(ValueError, match="belongs to control"):
        authority.mint_node(NodeName("control"), [HostName("h")], "compute", timedelta(hours=1))
