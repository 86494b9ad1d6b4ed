"""Key pairs: public keys of every usual kind are taken; old clients get pairs made."""

import hashlib
from base64 import b64decode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from tests.api.compute.conftest import Compute


def public(kind: str) -> str:
    private: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if kind == "ed25519":
        private = ed25519.Ed25519PrivateKey.generate()
    elif kind == "ecdsa":
        private = ec.generate_private_key(ec.SECP256R1())
    else:
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() + " me@home"


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
async def test_taken_listed_shown_deleted(compute: Compute, kind: str) -> None:
    key = public(kind)
    answer = await compute.send("POST", "/os-keypairs", {"keypair": {"name": "me@home.org", "public_key": key}})
    assert answer.status_code == 201, answer.text
    made = answer.json()["keypair"]
    digest = hashlib.md5(b64decode(key.split()[1])).hexdigest()
    assert made["fingerprint"] == ":".join(digest[i : i + 2] for i in range(0, 32, 2))
    assert "private_key" not in made and made["type"] == "ssh"
    listed = (await compute.send("GET", "/os-keypairs")).json()["keypairs"]
    assert [item["keypair"]["name"] for item in listed] == ["me@home.org"]
    shown = (await compute.send("GET", "/os-keypairs/me@home.org")).json()["keypair"]
    assert (shown["public_key"], shown["deleted"], isinstance(shown["id"], int)) == (key, False, True)
    assert (await compute.send("GET", "/os-keypairs/me@home.org", who=compute.stranger)).status_code == 404
    assert (await compute.send("DELETE", "/os-keypairs/me@home.org")).status_code == 204
    assert (await compute.send("DELETE", "/os-keypairs/me@home.org")).status_code == 404


async def test_old_clients_get_a_pair_and_old_status_codes(compute: Compute) -> None:
    answer = await compute.send("POST", "/os-keypairs", {"keypair": {"name": "old"}}, version="2.1")
    made = answer.json()["keypair"]
    assert (answer.status_code, "type" in made) == (200, False)
    private = load_pem_private_key(made["private_key"].encode(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    ours = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert made["public_key"].startswith(ours)
    assert (await compute.send("DELETE", "/os-keypairs/old", version="2.1")).status_code == 202
    assert (await compute.send("POST", "/os-keypairs", {"keypair": {"name": "new"}})).status_code == 400
    assert (await compute.send("POST", "/os-keypairs", {"keypair": {"name": "a@b"}}, version="2.91")).status_code == 400


async def test_certificates(compute: Compute) -> None:
    made = await compute.send("POST", "/os-keypairs", {"keypair": {"name": "win", "type": "x509"}}, version="2.91")
    pair = made.json()["keypair"]
    assert (pair["type"], len(pair["fingerprint"].split(":"))) == ("x509", 20)
    again = {"name": "win2", "type": "x509", "public_key": pair["public_key"]}
    assert (await compute.send("POST", "/os-keypairs", {"keypair": again})).json()["keypair"]["fingerprint"] == pair[
        "fingerprint"
    ]
    again["public_key"] = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
    assert (await compute.send("POST", "/os-keypairs", {"keypair": {**again, "name": "win3"}})).status_code == 400


NO_KEYS: list[dict[str, object]] = [
    {"public_key": "ssh-rsa AAAA"},
    {"public_key": "x"},
    {"public_key": ""},
    {"public_key": 1},
    {"public_key": "ssh-ed25519 !!!"},
    {"name": ""},
    {"name": "a/b"},
    {"name": "x" * 256},
    {"name": None},
    {"type": "pgp"},
    {"colour": 1},
    {"user_id": ""},
    {"public_key": "ssh-rsa " + "A" * 50000},
]


async def test_no_key(compute: Compute) -> None:
    for wrong in NO_KEYS:
        body = {"keypair": {"name": "k", "public_key": public("ed25519"), **wrong}}
        assert (await compute.send("POST", "/os-keypairs", body)).status_code == 400


async def test_twice_and_too_many(compute: Compute) -> None:
    body = {"keypair": {"name": "k", "public_key": public("ed25519")}}
    assert (await compute.send("POST", "/os-keypairs", body)).status_code == 201
    assert (await compute.send("POST", "/os-keypairs", body)).status_code == 409
    await compute.admin("PUT", f"/os-quota-sets/{compute.project}", {"quota_set": {"key_pairs": 1}})
    body["keypair"]["name"] = "l"
    assert (await compute.send("POST", "/os-keypairs", body)).status_code == 403


async def test_pages_and_other_users(compute: Compute) -> None:
    key = public("ed25519")
    for name in ("a", "b"):
        await compute.send("POST", "/os-keypairs", {"keypair": {"name": name, "public_key": key}})
    page = (await compute.send("GET", "/os-keypairs?limit=1")).json()
    assert [item["keypair"]["name"] for item in page["keypairs"]] == ["a"]
    more = (await compute.send("GET", page["keypairs_links"][0]["href"])).json()
    assert [item["keypair"]["name"] for item in more["keypairs"]] == ["b"]
    assert len((await compute.send("GET", "/os-keypairs?limit=1", version="2.34")).json()["keypairs"]) == 2
    assert (await compute.send("GET", "/os-keypairs?marker=none")).status_code == 400
    user = (await compute.send("GET", "/os-keypairs/a")).json()["keypair"]["user_id"]
    assert len((await compute.admin("GET", f"/os-keypairs?user_id={user}")).json()["keypairs"]) == 2
    assert (await compute.admin("GET", "/os-keypairs")).json()["keypairs"] == []
    assert (await compute.send("GET", f"/os-keypairs?user_id={user}", who=compute.stranger)).status_code == 403
