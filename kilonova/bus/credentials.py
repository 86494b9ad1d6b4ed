"""Who may do what on the bus: an authority that signs NATS credentials, each as narrow as its holder's work.

The authority is three keys (operator, account, system account) in one file that only its owner can read. NATS checks the
signatures itself; nothing here is asked when a node connects, so a credential is good until it expires.
It does not deliver credentials.
"""

import base64
import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
import nkeys

from kilonova.bus import subjects
from kilonova.model.ids import HostName, NodeName

Role = Literal["compute", "network", "volume"]

REPLY_WITHIN_S = 120
"""A node may answer a question it was asked for this long, and on no other subject of the asker."""


class _KeyPair(Protocol):
    public_key: bytes

    def sign(self, input: bytes) -> bytes: ...


class Seeds(msgspec.Struct, frozen=True):
    """The private keys, in NATS's ``S…`` form."""

    operator: str
    account: str
    system: str


class Authority:
    """Signs the JWTs of one cloud's bus."""

    def __init__(self, seeds: Seeds) -> None:
        self._operator = _key(seeds.operator)
        self._account = _key(seeds.account)
        self._system = _key(seeds.system)

    @classmethod
    def open(cls, path: Path) -> "Authority":
        """The authority kept at `path`, made on the first call (mode 0600). Blocks for a moment; two callers get the same one."""
        if not path.exists():
            account = nkeys.PREFIX_BYTE_ACCOUNT
            seeds = Seeds(_new_seed(nkeys.PREFIX_BYTE_OPERATOR), _new_seed(account), _new_seed(account))
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_once(path, msgspec.json.encode(seeds))
        return cls(msgspec.json.decode(path.read_bytes(), type=Seeds))

    @property
    def system_account(self) -> str:
        """The public key of the broker's own account."""
        return _public(self._system)

    def operator_jwt(self) -> str:
        """What the broker trusts."""
        return _sign(self._operator, self._operator, "kilonova", {"type": "operator", "system_account": self.system_account})

    def account_jwts(self) -> Mapping[str, str]:
        """public key → JWT of the two accounts: the broker's own, and the cloud's with JetStream and no limits."""
        jet = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
        cloud = {"type": "account", "limits": _UNLIMITED | jet, "default_permissions": {"pub": {}, "sub": {}}}
        system = {"type": "account", "limits": _UNLIMITED, "default_permissions": {"pub": {}, "sub": {}}}
        return {
            _public(self._account): _sign(self._operator, self._account, "kilonova", cloud),
            _public(self._system): _sign(self._operator, self._system, "system", system),
        }

    def mint_control(self, expires_in: timedelta | None = None) -> str:
        """A credential for a control process: everything within the cloud's account. The text of a ``.creds`` file."""
        return self._mint(subjects.CONTROL, {"pub": {"allow": [">"]}, "sub": {"allow": [">"]}}, expires_in)

    def mint_node(self, node: NodeName, hosts: Sequence[HostName], role: Role, expires_in: timedelta) -> str:
        """A credential with which `node` can serve its own queues, report as itself, and nothing else. ``.creds`` text."""
        if node == subjects.CONTROL:
            raise ValueError("this name belongs to control")
        return self._mint(node, node_permissions(node, hosts, role), expires_in)

    def _mint(self, name: str, permissions: dict[str, Any], expires_in: timedelta | None) -> str:
        seed = _new_seed(nkeys.PREFIX_BYTE_USER)
        claims = permissions | {"type": "user", "subs": -1, "data": -1, "payload": -1}
        jwt = _sign(self._account, _key(seed), name, claims, expires_in)
        return (
            f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        )


def node_permissions(node: NodeName, hosts: Sequence[HostName], role: Role) -> dict[str, Any]:
    """What a node may publish and receive, in the words of a NATS user JWT."""
    queues = [subjects.deliver_subject("compute", host) for host in hosts]
    readers = [subjects.consumer("compute", host) for host in hosts]
    wanted_from_others = ["queue.network.*", "queue.volume.*"]
    if role != "compute":
        queues = [subjects.deliver_subject(role, node)]
        readers = [subjects.consumer(role, node)]
        wanted_from_others = [subjects.ANSWERS]
    return {
        "pub": {
            "allow": [
                *(f"$JS.ACK.{subjects.ORDERS}.{reader}.>" for reader in readers),
                subjects.report_subject(node),
                f"live.{subjects.token(node)}.>",
                *wanted_from_others,
            ]
        },
        "sub": {"allow": [*queues, f"{subjects.inbox(node)}.>", subjects.ask_subject(node)]},
        "resp": {"max": 1, "ttl": REPLY_WITHIN_S * 1_000_000_000},
    }


_UNLIMITED = {"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": True, "conn": -1, "leaf": -1}


def _new_seed(prefix: int) -> str:
    seed: bytes = nkeys.encode_seed(os.urandom(32), prefix)
    return seed.decode()


def _key(seed: str) -> _KeyPair:
    key: _KeyPair = nkeys.from_seed(bytearray(seed.encode()))
    return key


def _public(key: _KeyPair) -> str:
    return key.public_key.decode()


def _sign(issuer: _KeyPair, subject: _KeyPair, name: str, nats: dict[str, Any], expires_in: timedelta | None = None) -> str:
    """A NATS JWT, version 2: `nats` is what the subject's key stands for."""
    now = int(time.time())
    claims = {"iat": now, "iss": _public(issuer), "name": name, "sub": _public(subject), "nats": nats | {"version": 2}}
    if expires_in is not None:
        claims["exp"] = now + int(expires_in.total_seconds())
    claims["jti"] = base64.b32encode(hashlib.sha256(msgspec.json.encode(claims)).digest()).decode().rstrip("=")
    text = _base64(b'{"typ":"JWT","alg":"ed25519-nkey"}') + "." + _base64(msgspec.json.encode(claims))
    return text + "." + _base64(issuer.sign(text.encode()))


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _write_once(path: Path, content: bytes) -> None:
    """Written whole or not at all, and never over one that another process has just made."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
