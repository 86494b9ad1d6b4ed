"""Bad input to a running cloud over real sockets: each answer says what is wrong, and nothing is changed by it."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.clients.http import Answer, Wire, log_in
from tests.cloud.running import Cloud, wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.wire, pytest.mark.usefixtures("nothing_left")]
JSON = {"Content_Type": "application/json", "OpenStack_API_Version": "compute 2.96"}
MEGABYTE = 1 << 20
NOBODY = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"
PASSWORD = "let-me-in"


@dataclass(frozen=True)
class Person:
    """Somebody with a token for a project of their own."""

    wire: Wire
    token: str
    project: str

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        raw = json.dumps(body).encode() if body is not None and not isinstance(body, bytes) else body
        return self.wire.send(method, path, raw, X_Auth_Token=self.token, **{**JSON, **headers})


@pytest.fixture
def admin(cloud: Cloud, token: str) -> Person:
    return Person(Wire(cloud.listen), token, "")


@pytest.fixture
def people(admin: Person) -> Iterator[dict[str, Person]]:
    """A member and a reader, each in a project of the same name."""
    made: list[str] = []
    found: dict[str, Person] = {}
    for role in ("member", "reader"):
        project = admin.ask("POST", "/identity/v3/projects", {"project": {"name": role}}).body["project"]["id"]
        user = admin.ask("POST", "/identity/v3/users", {"user": {"name": role, "password": PASSWORD}}).body["user"]["id"]
        role_id = admin.ask("GET", f"/identity/v3/roles?name={role}").body["roles"][0]["id"]
        granted = admin.ask("PUT", f"/identity/v3/projects/{project}/users/{user}/roles/{role_id}")
        assert granted.status == 204, granted
        made += [f"/identity/v3/users/{user}", f"/identity/v3/projects/{project}"]
        found[role] = Person(admin.wire, log_in(admin.wire, role, PASSWORD, role), project)
    yield found
    for path in made:
        assert admin.ask("DELETE", path).status == 204


def server(image: str, **fields: object) -> dict[str, object]:
    return {"server": {"name": "s", "flavorRef": "42", "imageRef": image, "networks": "none", **fields}}


WRONG_SERVERS: dict[str, dict[str, object]] = {
    "a name of 1 MB": {"name": "x" * MEGABYTE},
    "a name that is a number": {"name": 5},
    "no name": {"name": ""},
    "NUL in the name": {"name": "a\0b"},
    "an unknown flavor": {"flavorRef": NOBODY},
    "an unknown image": {"imageRef": NOBODY},
    "an image that is no id": {"imageRef": "../../etc/passwd"},
    "an unknown network": {"networks": [{"uuid": NOBODY}]},
    "an unknown port": {"networks": [{"port": NOBODY}]},
    "networks of the wrong type": {"networks": 5},
    "a negative count": {"min_count": -1},
    "too many": {"min_count": 1001, "max_count": 1001},
    "an unknown key pair": {"key_name": "none"},
    "user data that is no base64": {"user_data": "!"},
    "a field nobody knows": {"colour": "red"},
    "deep metadata": {"metadata": {"a": [[[[[]]]]]}},
    "metadata of 300 characters": {"metadata": {"a": "x" * 300}},
    "an unknown zone": {"availability_zone": "mars"},
}
WRONG_THINGS = {
    "flavor: negative RAM": ("/compute/v2.1/flavors", {"flavor": {"name": "f", "ram": -1, "vcpus": 1, "disk": 1}}),
    "flavor: no processors": ("/compute/v2.1/flavors", {"flavor": {"name": "f", "ram": 1, "vcpus": 0, "disk": 1}}),
    "flavor: beyond all numbers": ("/compute/v2.1/flavors", {"flavor": {"name": "f", "ram": 2**70, "vcpus": 1, "disk": 1}}),
    "key pair: nonsense": ("/compute/v2.1/os-keypairs", {"keypair": {"name": "k", "public_key": "ssh-rsa !!!"}}),
    "image: negative size": ("/image/v2/images", {"name": "i", "min_disk": -1}),
    "image: unknown format": ("/image/v2/images", {"name": "i", "disk_format": "floppy"}),
    "image: a path for an id": ("/image/v2/images", {"id": "../../x"}),
    "network: negative MTU": ("/network/v2.0/networks", {"network": {"mtu": -1}}),
    "subnet: no such network": (
        "/network/v2.0/subnets",
        {"subnet": {"network_id": NOBODY, "ip_version": 4, "cidr": "10.1.0.0/24"}},
    ),
    "port: no such network": ("/network/v2.0/ports", {"port": {"network_id": NOBODY}}),
    "rule: no such group": (
        "/network/v2.0/security-group-rules",
        {"security_group_rule": {"security_group_id": NOBODY, "direction": "ingress"}},
    ),
    "project: 1 MB of name": ("/identity/v3/projects", {"project": {"name": "x" * MEGABYTE}}),
    "user: no such domain": ("/identity/v3/users", {"user": {"name": "u", "domain_id": NOBODY}}),
}


@pytest.mark.parametrize("wrong", WRONG_SERVERS)
def test_servers_that_cannot_be(admin: Person, image: str, wrong: str) -> None:
    answer = admin.ask("POST", "/compute/v2.1/servers", server(image, **WRONG_SERVERS[wrong]))
    assert answer.status in (400, 404, 413), answer
    assert 5 < len(answer.reason) < 1500


@pytest.mark.parametrize("wrong", WRONG_THINGS)
def test_things_that_cannot_be(admin: Person, wrong: str) -> None:
    path, body = WRONG_THINGS[wrong]
    answer = admin.ask("POST", path, body)
    assert answer.status in (400, 404, 409, 413), answer
    assert 5 < len(answer.reason) < 1500


@pytest.mark.parametrize("path", ["/compute/v2.1/servers", "/network/v2.0/networks", "/identity/v3/projects", "/image/v2/images"])
def test_bodies_that_are_not_what_they_say(admin: Person, path: str) -> None:
    for body in (b"{" * 100_000, b'{"a":' * 100_000, b"\0" * 100, b"\xff" * 100, b'{"server": 1', b"x" * (MEGABYTE * 3)):
        answer = admin.ask("POST", path, body)
        assert answer.status in (400, 413) and answer.reason, answer
    for kind in ("text/plain", "application/xml", "multipart/form-data; boundary=x", "application/octet-stream"):
        answer = admin.ask("POST", path, b"<server/>", Content_Type=kind)
        assert answer.status in (400, 415) and answer.reason, (kind, answer)


def test_over_quota_is_exact_under_fifty_at_once(admin: Person, people: dict[str, Person], image: str) -> None:
    member = people["member"]
    with ThreadPoolExecutor(50) as threads:
        orders = [threads.submit(member.ask, "POST", "/compute/v2.1/servers", server(image, name=f"s{n}")) for n in range(50)]
        answers = [order.result(60) for order in orders]
    assert Counter(answer.status for answer in answers) == {202: 10, 403: 40}
    refused = next(answer for answer in answers if answer.status == 403)
    assert "Quota exceeded" in refused.reason and "instances" in refused.reason
    made = member.ask("GET", "/compute/v2.1/servers").body["servers"]
    assert len(made) == 10
    for one in made:
        assert member.ask("DELETE", f"/compute/v2.1/servers/{one['id']}").status == 204
    wait_for(lambda: member.ask("GET", "/compute/v2.1/servers").body["servers"] == [], 30, "all gone")


def test_what_is_anothers_is_not_there(admin: Person, people: dict[str, Person], image: str) -> None:
    member, reader = people["member"], people["reader"]
    new = member.ask("POST", "/compute/v2.1/servers", server(image)).body["server"]["id"]
    net = member.ask("POST", "/network/v2.0/networks", {"network": {"name": "n"}}).body["network"]["id"]
    pic = member.ask("POST", "/image/v2/images", {"name": "p"}).body["id"]
    for path in (f"/compute/v2.1/servers/{new}", f"/network/v2.0/networks/{net}", f"/image/v2/images/{pic}"):
        assert reader.ask("GET", path).status == 404 and member.ask("GET", path).status == 200
        assert reader.ask("DELETE", path).status in (403, 404)
        wait_for(lambda path=path: member.ask("DELETE", path).status == 204, 20, path)  # type: ignore[misc]
    wait_for(lambda: member.ask("GET", f"/compute/v2.1/servers/{new}").status == 404, 30, "gone")
    answer = member.ask("GET", f"/identity/v3/projects/{reader.project}")
    assert answer.status in (403, 404)


def test_a_reader_may_look_and_not_touch(people: dict[str, Person], image: str) -> None:
    reader = people["reader"]
    for path, body in (
        ("/compute/v2.1/servers", server(image)),
        ("/network/v2.0/networks", {"network": {}}),
        ("/network/v2.0/security-groups", {"security_group": {"name": "g"}}),
        ("/image/v2/images", {"name": "i"}),
        ("/identity/v3/projects", {"project": {"name": "p"}}),
        ("/compute/v2.1/flavors", {"flavor": {"name": "f", "ram": 1, "vcpus": 1, "disk": 1}}),
    ):
        answer = reader.ask("POST", path, body)
        assert answer.status == 403 and answer.reason, (path, answer)
    for path in ("/compute/v2.1/servers", "/network/v2.0/networks", "/image/v2/images", "/compute/v2.1/flavors"):
        assert reader.ask("GET", path).status == 200


def test_a_revoked_token_is_none(admin: Person, people: dict[str, Person]) -> None:
    member = people["member"]
    assert member.ask("GET", "/compute/v2.1/servers").status == 200
    assert (
        admin.wire.send("DELETE", "/identity/v3/auth/tokens", X_Auth_Token=admin.token, X_Subject_Token=member.token).status
        == 204
    )
    assert member.ask("GET", "/compute/v2.1/servers").status == 401
