"""What is plugged into a server, as long as nothing is: empty lists, and what is refused."""

from tests.api.compute.conftest import Compute

NOBODY = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"


async def test_nothing_is_plugged(compute: Compute) -> None:
    server = await compute.server()
    for version in ("2.1", "2.104"):
        answer = await compute.send("GET", f"/servers/{server}/os-volume_attachments", version=version)
        assert answer.json() == {"volumeAttachments": []}
        answer = await compute.send("GET", f"/servers/{server}/os-interface", version=version)
        assert answer.json() == {"interfaceAttachments": []}


async def test_what_is_not_there_is_not_shown(compute: Compute) -> None:
    server = await compute.server()
    for path in (f"{server}/os-interface/{NOBODY}", f"{server}/os-volume_attachments/{NOBODY}", f"{NOBODY}/os-interface"):
        assert (await compute.send("GET", f"/servers/{path}")).status_code == 404
