"""Routes that no other test asks: metadata of snapshots, one qos spec, encryption of a volume, the document of version 3."""

from tests.api.volume.conftest import MISSING_ID, Client, Node


async def test_metadata_of_a_snapshot(alice: Client, node: Node) -> None:
    volume = await alice.volume()
    await node.work()
    snapshot = await alice.snapshot(volume["id"])
    await node.work()
    path, nowhere = f"/snapshots/{snapshot['id']}/metadata", f"/snapshots/{MISSING_ID}/metadata"
    said = {"metadata": {"a": "1"}}
    assert await alice.ok("POST", path, said, status=200) == said
    assert await alice.ok("GET", path) == said
    assert await alice.ok("GET", f"{path}/a") == {"meta": {"a": "1"}}
    await alice.ok("DELETE", f"{path}/a", status=200)
    assert await alice.ok("PUT", path, {"metadata": {"b": "2"}}) == {"metadata": {"b": "2"}}
    for method, body in (("GET", None), ("POST", said), ("PUT", said)):
        await alice.refused(method, nowhere, body, status=404)
    for method in ("GET", "DELETE"):
        await alice.refused(method, f"{path}/a", status=404)
    await alice.refused("PUT", f"{nowhere}/a", {"meta": {"a": "1"}}, status=404)
    await alice.refused("PUT", f"/volumes/{MISSING_ID}/metadata", said, status=404)


async def test_a_qos_spec_and_the_lack_of_encryption(admin: Client, alice: Client, node: Node) -> None:
    made = (await admin.ok("POST", "/qos-specs", {"qos_specs": {"name": "q", "iops": "9"}}, status=200))["qos_specs"]
    assert (await admin.ok("GET", f"/qos-specs/{made['id']}"))["qos_specs"]["specs"] == {"iops": "9"}
    volume = await alice.volume()
    assert await alice.ok("GET", f"/volumes/{volume['id']}/encryption") is not None
    await alice.refused("GET", f"/volumes/{MISSING_ID}/encryption", status=404)
    assert (await alice.call("GET", "/v3")).json()["versions"][0]["id"] == "v3.0"


async def test_a_transfer_by_its_older_name(alice: Client, bob: Client, node: Node) -> None:
    volume = await alice.volume()
    await node.work()
    made = (await alice.ok("POST", "/os-volume-transfer", {"transfer": {"volume_id": volume["id"]}}))["transfer"]
    accept, key = f"/os-volume-transfer/{made['id']}/accept", made["auth_key"]
    await bob.refused("POST", f"/os-volume-transfer/{MISSING_ID}/accept", {"accept": {"auth_key": key}}, status=404)
    assert (await bob.ok("POST", accept, {"accept": {"auth_key": key}}))["transfer"]["volume_id"] == volume["id"]
