"""Volumes of servers on both databases: reserved, attached, detached, released, made to boot from; quotas counted; work ended."""

from typing import Any

import pytest

from kilonova.errors import BadRequest, Conflict, NotFound, QuotaExceeded, TooLarge
from kilonova.ledger.ledger import Ledger
from kilonova.ledger.transaction import Transaction
from kilonova.lifecycle.volume_books import VolumeWorld
from kilonova.lifecycle.volume_create import create_volume
from kilonova.lifecycle.volume_ends import end_overdue, note_volume_work
from kilonova.lifecycle.volume_work import VolumeOrder, VolumeWorkDone
from kilonova.lifecycle.volumes import create_snapshot
from kilonova.model.volume import Volume
from kilonova.model.volume_link import VolumeLink
from kilonova.model.volume_wish import AttachWish, BootVolume, NewSnapshot, NewVolume, VolumeTerms
from tests.ledger.small_cloud import MEMBER

NOW = 1_800_000_000.0
TERMS = VolumeTerms(now=NOW, ticket=lambda image, node, until: "ticket", limit_s=60.0)
S1, S2 = "server-1", "server-2"


def world(tx: Transaction) -> VolumeWorld:
    return VolumeWorld(books=tx, terms=TERMS)


async def make(ledger: Ledger, ready: bool = True, **said: Any) -> str:
    """A volume's id; `ready`: its node has made it."""

    def write(tx: Transaction) -> str:
        tx.hosts.heard_of("cellar", "volume", NOW)
        return create_volume(NewVolume(size_gb=1, **said), MEMBER, world(tx)).id

    volume_id = await ledger.write(write)
    if ready:
        await finish(ledger)
    return volume_id


async def finish(ledger: Ledger, failed: str = "") -> list[str]:
    def write(tx: Transaction) -> list[str]:
        orders = list(tx.orders.overdue_volumes(NOW * 2))
        for order in orders:
            note_volume_work(word(order, failed), world(tx))
        return [order.work for order in orders]

    return await ledger.write(write)


def word(order: VolumeOrder, failed: str = "") -> VolumeWorkDone:
    return VolumeWorkDone(
        work_id=order.work_id, work=order.work, volume_id=order.volume_id, node=order.node, at=NOW, failed=failed
    )


async def get(ledger: Ledger, volume_id: str) -> Volume:
    return await ledger.read(lambda tx: tx.volumes.volumes.get(volume_id))


async def reserve(ledger: Ledger, volume_id: str, server: str = S1, **said: Any) -> VolumeLink:
    wish = AttachWish(volume_id=volume_id, server_id=server, **said)
    return await ledger.write(lambda tx: tx.volumes.reserve(wish, MEMBER, NOW))


async def test_attached_and_detached(ledger: Ledger) -> None:
    volume = await make(ledger)
    link = await reserve(ledger, volume, delete_on_termination=True, tag="data")
    assert (link.device, link.node, link.size_gb, link.tag, link.delete_on_termination) == ("/dev/vdb", "cellar", 1, "data", True)
    assert (await get(ledger, volume)).status == "attaching"
    with pytest.raises(BadRequest):
        await reserve(ledger, volume, S2)
    await ledger.write(lambda tx: tx.volumes.attached(link.attachment_id, NOW))
    assert (await get(ledger, volume)).status == "in-use"
    assert await ledger.read(lambda tx: tx.volumes.links_of_servers((S1, S2))) == {S1: (link,)}
    assert await ledger.write(lambda tx: tx.volumes.begin_detach(S1, volume, NOW)) == link
    assert (await get(ledger, volume)).status == "detaching"
    with pytest.raises(Conflict):
        await ledger.write(lambda tx: tx.volumes.begin_detach(S1, volume, NOW))
    await ledger.write(lambda tx: tx.volumes.rolled_back(link.attachment_id, NOW))
    assert (await get(ledger, volume)).status == "in-use"
    await ledger.write(lambda tx: tx.volumes.begin_detach(S1, volume, NOW))
    for _ in range(2):
        await ledger.write(lambda tx: tx.volumes.detached(link.attachment_id, NOW))
    assert (await get(ledger, volume)).status == "available"
    assert await ledger.read(lambda tx: tx.volumes.links_of_server(S1)) == ()
    with pytest.raises(NotFound):
        await ledger.write(lambda tx: tx.volumes.begin_detach(S1, volume, NOW))


async def test_an_attachment_that_did_not_happen_leaves_nothing(ledger: Ledger) -> None:
    volume = await make(ledger)
    link = await reserve(ledger, volume)
    for _ in range(2):
        await ledger.write(lambda tx: tx.volumes.rolled_back(link.attachment_id, NOW))
    assert (await get(ledger, volume)).status == "available"
    assert await ledger.read(lambda tx: tx.volumes.links_of_server(S1)) == ()


async def test_devices_follow_each_other_and_are_nobody_elses(ledger: Ledger) -> None:
    links = [await reserve(ledger, await make(ledger), device=device) for device in (None, "/dev/vdd", None, None)]
    assert [link.device for link in links] == ["/dev/vdb", "/dev/vdd", "/dev/vdc", "/dev/vde"]
    with pytest.raises(Conflict):
        await reserve(ledger, await make(ledger), device="/dev/vdd")
    assert (await reserve(ledger, await make(ledger), S2, boot_index=0)).device == "/dev/vda"
    with pytest.raises(BadRequest, match="not bootable"):
        await reserve(ledger, await make(ledger), S2, boot_index=0, needs_bootable=True)
    found = await ledger.read(lambda tx: tx.volumes.links_of_server(S1))
    assert [link.device for link in found] == ["/dev/vdb", "/dev/vdc", "/dev/vdd", "/dev/vde"]


async def test_at_a_servers_end_volumes_are_free_or_go(ledger: Ledger) -> None:
    kept, gone, snapshotted = [await make(ledger) for _ in range(3)]
    await ledger.write(lambda tx: create_snapshot(NewSnapshot(volume_id=snapshotted), MEMBER, world(tx)))
    await finish(ledger)
    for volume, delete in ((kept, False), (gone, True), (snapshotted, True)):
        link = await reserve(ledger, volume, delete_on_termination=delete)
        await ledger.write(lambda tx, link=link: tx.volumes.attached(link.attachment_id, NOW))  # type: ignore[misc]
    await ledger.write(lambda tx: tx.volumes.set_delete_on_termination(S1, kept, False))
    for _ in range(2):
        await ledger.write(lambda tx: tx.volumes.release_server(S1, NOW))
    assert [(await get(ledger, one)).status for one in (kept, gone, snapshotted)] == ["available", "deleting", "available"]
    assert await finish(ledger) == ["delete"]
    with pytest.raises(NotFound):
        await get(ledger, gone)


async def test_a_volume_to_boot_from_is_ordered_and_reserved_at_once(ledger: Ledger) -> None:
    source = await make(ledger)

    def write(tx: Transaction) -> VolumeLink:
        made = tx.volumes.for_boot(BootVolume(source="volume", source_id=source, name="root"), MEMBER, TERMS)
        return tx.volumes.reserve(AttachWish(volume_id=made, server_id=S1, boot_index=0), MEMBER, NOW)

    link = await ledger.write(write)
    assert (link.device, link.size_gb, (await get(ledger, link.volume_id)).status) == ("/dev/vda", 1, "creating")
    await finish(ledger)
    assert (await get(ledger, link.volume_id)).status == "attaching"
    await ledger.write(lambda tx: tx.volumes.attached(link.attachment_id, NOW))
    assert (await get(ledger, link.volume_id)).status == "in-use"


async def test_a_guest_may_have_it_before_its_making_is_told(ledger: Ledger) -> None:
    volume = await make(ledger, ready=False)
    link = await reserve(ledger, volume)
    await ledger.write(lambda tx: tx.volumes.attached(link.attachment_id, NOW))
    assert (await get(ledger, volume)).status == "in-use"
    await finish(ledger)
    assert (await get(ledger, volume)).status == "in-use"


async def test_a_boot_volume_without_room_or_node(ledger: Ledger) -> None:
    with pytest.raises(BadRequest, match="no volume node"):
        await ledger.write(lambda tx: tx.volumes.for_boot(BootVolume(source="blank", size_gb=1), MEMBER, TERMS))
    await make(ledger)
    await ledger.write(lambda tx: tx.volumes.quotas.change("p", {"volumes": 1}))
    with pytest.raises(QuotaExceeded):
        await ledger.write(lambda tx: tx.volumes.for_boot(BootVolume(source="blank", size_gb=1), MEMBER, TERMS))
    with pytest.raises(TooLarge):
        await make(ledger)


async def test_work_nobody_answers_has_an_end(ledger: Ledger) -> None:
    volume = await make(ledger, ready=False)
    (order,) = await ledger.read(lambda tx: tx.orders.overdue_volumes(NOW + 61))
    assert await ledger.read(lambda tx: tx.orders.overdue_volumes(NOW + 59)) == []
    await ledger.write(lambda tx: end_overdue(order, world(tx)))
    assert (await get(ledger, volume)).status == "error"
    assert await ledger.read(lambda tx: tx.orders.overdue_volumes(NOW * 2)) == []
    await ledger.write(lambda tx: note_volume_work(word(order), world(tx)))  # its node wakes up
    assert (await get(ledger, volume)).status == "error"


async def test_use_is_what_there_is(ledger: Ledger) -> None:
    volume = await make(ledger)
    await ledger.write(lambda tx: create_snapshot(NewSnapshot(volume_id=volume), MEMBER, world(tx)))
    used = await ledger.read(lambda tx: tx.volumes.quotas.usage("p"))
    assert (used["volumes"], used["snapshots"], used["gigabytes"], used["gigabytes___DEFAULT__"]) == (1, 1, 2, 2)
    assert (await ledger.read(lambda tx: tx.volumes.quotas.usage("other")))["volumes"] == 0
    assert await ledger.read(lambda tx: tx.volumes.volumes.use_of_nodes()) == {"cellar": {"p": (1, 1)}}
