"""Two parties cannot hear each other for a while, silently, one way or both: what was asked for meanwhile ends as promised.

Every pair that talks is cut, for moments (TCP hides it), for longer than TCP hides it, and for longer than the limits.
"""

import os
import shutil
import time
from collections.abc import Iterator

import pytest

from tests.chaos.proof import Proof
from tests.cloud.fleet import Fleet, fleet
from tests.cloud.running import wait_for

NETWORK_LIMIT_S = 20
SHORT_S, MIDDLE_S, LONG_S = 3, 15, 45
"""Long: than what a build waits for its network, and than NATS waits for a ping's answer."""
PAIRS = [("control", "nats"), ("compute", "nats"), ("network", "nats"), ("volume", "nats")]
CUTS = [
    pytest.param(pair, way, seconds, id=f"{pair[0]}-{pair[1]}-{way}-{seconds}s")
    for seconds in (SHORT_S, MIDDLE_S, LONG_S)
    for pair in PAIRS
    for way in ("both ways", "only to", "only from")
]
pytestmark = [
    pytest.mark.cloud,
    pytest.mark.wire,
    pytest.mark.root,
    pytest.mark.timeout(400),
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(shutil.which("nft") is None, reason="nftables is not installed"),
]
LIMIT_S = 120


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    with fleet(folder, hosts=2, faults="file", build_limit_s=LIMIT_S, network_limit_s=NETWORK_LIMIT_S) as cloud:
        cloud.api.image()
        yield cloud
        assert cloud.down() == 0
        assert cloud.holds() == {}


@pytest.fixture(autouse=True)
def empty(cloud: Fleet) -> Iterator[None]:
    """What a case that failed has left spoils no other."""
    yield
    cloud.network.heal()
    for server in cloud.api.send("GET", "/compute/v2.1/servers")["servers"]:
        cloud.api.delete(server["id"], 2 * LIMIT_S)


@pytest.mark.family("partition of two parties", sample=1)
@pytest.mark.parametrize(("pair", "way", "seconds"), CUTS)
def test_cut_while_servers_are_made_deleted_and_given_volumes(
    cloud: Fleet, proof: Proof, pair: tuple[str, str], way: str, seconds: int
) -> None:
    case = f"{pair[0]}-{pair[1]}-{way}-{seconds}".replace(" ", "-")
    cloud.want_fault()
    gone, attached = (cloud.api.build(f"{name}-{case}") for name in ("gone", "attached"))
    for server_id in (gone, attached):
        assert cloud.api.settled(server_id, 60)["status"] == "ACTIVE"
    volume = Volume(cloud)
    cloud.want_fault("compute.assemble_disks.before=hang:1")
    begun = cloud.api.build(f"begun-{case}")
    wait_for(lambda: cloud.fired("compute.assemble_disks.before"), 30, "a build that is under way", every_s=0.02)

    until = time.monotonic() + seconds
    with _cut(cloud, pair, way):
        ordered = cloud.api.build(f"ordered-{case}")
        assert cloud.api.surely("DELETE", f"/compute/v2.1/servers/{gone}")[0] == 204
        volume.attach(attached)
        time.sleep(max(0.0, until - time.monotonic()))
        dropped = sum(cloud.network.dropped(party) for party in pair)
        assert dropped, "nobody said anything"
    proof.fired(f"{pair[0]}-{pair[1]}, {way}: {dropped} packets in {seconds} s")

    # TCP tries again after twice the time, so it may need as long again after a cut as the cut was.
    hidden = 2 * seconds < NETWORK_LIMIT_S
    built = ("ACTIVE",) if hidden else ("ACTIVE", "ERROR")
    proof.promise(cloud, {begun: built, ordered: built, gone: ("GONE",), attached: ("ACTIVE",)}, LIMIT_S + 30)
    volume.settles(("in-use", "available"))
    if volume.status() == "available":
        assert _reasons(cloud, attached, "attach_volume") != [None]
        assert not hidden, "TCP hides a cut so short"
    proof.nothing_stays(cloud, (begun, ordered, attached))
    volume.goes()
    # What lay in a queue during the cut may be wired once more, for a server that is gone: until its node's next hello.
    wait_for(lambda: not cloud.api.audit()["findings"], 60, "nothing without an owner", every_s=0.5)


@pytest.mark.family("partition of two parties: image bytes", sample=1)
@pytest.mark.parametrize("seconds", [SHORT_S, MIDDLE_S, LONG_S])
@pytest.mark.parametrize("way", ["both ways", "only to", "only from"])
def test_cut_while_an_image_of_a_server_is_sent(cloud: Fleet, proof: Proof, way: str, seconds: int) -> None:
    """The image is whole in the end, or it is not there and the history says why."""
    cloud.want_fault()
    server_id = cloud.api.build(f"snapshot-{way}-{seconds}".replace(" ", "-"))
    assert cloud.api.settled(server_id, 60)["status"] == "ACTIVE"
    cloud.want_fault("compute.send_copy.before=hang:1")
    cloud.api.send("POST", f"/compute/v2.1/servers/{server_id}/action", {"createImage": {"name": "taken"}})
    wait_for(lambda: cloud.fired("compute.send_copy.before"), 30, "the copy about to be sent", every_s=0.02)
    with _cut(cloud, ("compute", "control"), way):
        time.sleep(seconds)
        dropped = cloud.network.dropped("control") + cloud.network.dropped("compute")
        assert dropped, "nobody said anything"
    proof.fired(f"compute-control, {way}: {dropped} packets in {seconds} s")
    proof.promise(cloud, {server_id: ("ACTIVE",)}, LIMIT_S + 30)
    images = cloud.api.send("GET", "/image/v2/images?name=taken")["images"]
    assert [image["status"] for image in images] in (["active"], []), images
    if not images:
        assert _reasons(cloud, server_id, "createImage") != [None]
        assert seconds > SHORT_S, "TCP hides a cut so short"
    for image in images:
        cloud.api.once("DELETE", f"/image/v2/images/{image['id']}")
    proof.nothing_stays(cloud, (server_id,))


def _reasons(cloud: Fleet, server_id: str, action: str) -> list[str | None]:
    """What the history says of each action of this name."""
    found = cloud.api.send("GET", f"/compute/v2.1/servers/{server_id}/os-instance-actions")["instanceActions"]
    return [one["message"] for one in found if one["action"] == action]


class _cut:
    """While it is entered, the two do not hear each other; `way` is from the first one's side."""

    def __init__(self, cloud: Fleet, pair: tuple[str, str], way: str) -> None:
        self._network, self._pair, self._way = cloud.network, pair, way

    def __enter__(self) -> None:
        one, other = self._pair if self._way != "only to" else self._pair[::-1]
        self._network.cut(one, other, one_way=self._way != "both ways")

    def __exit__(self, *_: object) -> None:
        self._network.heal()


class Volume:
    """A new one, available."""

    def __init__(self, cloud: Fleet) -> None:
        self._cloud = cloud
        project = cloud.rows("SELECT id FROM identity_projects WHERE name = 'admin'")[0][0]
        self._path = f"/volume/v3/{project}/volumes"
        self.id = str(cloud.api.send("POST", self._path, {"volume": {"size": 1}})["volume"]["id"])
        self.settles(("available",))

    def attach(self, server_id: str) -> None:
        body = {"volumeAttachment": {"volumeId": self.id}}
        self._cloud.api.send("POST", f"/compute/v2.1/servers/{server_id}/os-volume_attachments", body)

    def status(self) -> str:
        """``404``: it is gone."""
        code, answer = self._cloud.api.surely("GET", f"{self._path}/{self.id}")
        return str(code) if code != 200 else str(answer["volume"]["status"])

    def settles(self, wanted: tuple[str, ...]) -> None:
        """Until its status is one of these."""
        wait_for(lambda: self.status() in wanted, LIMIT_S, f"the volume to be one of {wanted}", every_s=0.2)

    def goes(self) -> None:
        self.settles(("available",))
        self._cloud.api.surely("DELETE", f"{self._path}/{self.id}")
        self.settles(("404",))
