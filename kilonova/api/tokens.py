"""Tokens: encrypted statements about a user and a scope. Nothing of them is stored; what was revoked is in the ledger.

It knows no HTTP. A token that was looked at is remembered until identity changes: a busy client costs a dictionary's look-up.
"""

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from kilonova.api.identity.standing import Claim, Scope, claim_of, stand
from kilonova.api.world import Ledger
from kilonova.errors import NotAuthenticated
from kilonova.model.caller import Caller
from kilonova.model.identity import is_uuid_hex

RECHECK_S = 1.0
"""How long another control process's revocation may go unseen here; this process's own are seen at once."""
CACHED = 20_000
"""Tokens remembered at most; the oldest goes first."""
MAX_TOKEN = 2048
"""Characters; ours have about 200."""

METHODS = ("password", "token", "application_credential")
_SCOPES: tuple[Scope, ...] = ("", "project", "domain", "system")


class _Payload(msgspec.Struct, frozen=True, array_like=True):
    """What is inside, as short as it gets."""

    version: int
    user: bytes
    methods: int
    scope: int
    scope_id: bytes
    issued_at: float
    expires_at: float
    audit: tuple[bytes, ...]
    app_credential: bytes = b""
    trust: bytes = b""


class FernetTokens:
    """Implements the Protocol `Tokens`. The first key encrypts, any of them decrypts."""

    def __init__(self, keys: Sequence[bytes], ledger: Ledger, now: Callable[[], float]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        self._ledger = ledger
        self._now = now
        self._cache: dict[str, Caller] = {}
        self._epoch = -1
        """Of identity, as it was when the cache was filled."""
        self._fresh_until = 0.0
        """Unix time until which the epoch need not be read again."""
        self._generation = 0
        """Of this process's own changes."""

    async def caller(self, token: str) -> Caller:
        """Whose token this is. Raises NotAuthenticated."""
        now = self._now()
        if now >= self._fresh_until:
            generation = self._generation
            self._keep_up(await self._ledger.read(lambda books: books.identity.epoch()), generation, now)
        known = self._cache.get(token)
        if known is not None and now < known.expires_at:
            return known
        claim = self._open(token)
        if now >= claim.expires_at:
            raise NotAuthenticated()
        generation = self._generation
        caller, epoch = await self._ledger.read(lambda books: (stand(books.identity, claim), books.identity.epoch()))
        if self._keep_up(epoch, generation, now):
            self._remember(token, caller)
        return caller

    def issue(self, caller: Caller) -> str:
        """A token for `caller`, good until `caller.expires_at`."""
        claim = claim_of(caller)
        payload = _Payload(
            version=1,
            user=_packed(claim.user_id),
            methods=sum(1 << METHODS.index(method) for method in set(claim.methods)),
            scope=_SCOPES.index(claim.scope),
            scope_id=_packed(claim.scope_id),
            issued_at=claim.issued_at,
            expires_at=claim.expires_at,
            audit=tuple(bytes.fromhex(audit) for audit in claim.audit_ids),
            app_credential=_packed(claim.app_credential_id) if claim.app_credential_id else b"",
            trust=_packed(claim.trust_id) if claim.trust_id else b"",
        )
        return self._fernet.encrypt(msgspec.msgpack.encode(payload)).decode().rstrip("=")

    def forget(self) -> None:
        """Something about identity has changed: the next token finds out what is still true."""
        self._generation += 1
        self._fresh_until = 0.0

    def _keep_up(self, epoch: int, generation: int, now: float) -> bool:
        """One number tells whether everything remembered still holds, however many tokens that is.

        False when identity changed here while the ledger was asked: what it said is then not to be remembered.
        """
        if generation != self._generation:
            return False
        if epoch != self._epoch:
            self._cache.clear()
            self._epoch = epoch
        self._fresh_until = now + RECHECK_S
        return True

    def _remember(self, token: str, caller: Caller) -> None:
        if len(self._cache) >= CACHED:
            self._cache.pop(next(iter(self._cache)))
        self._cache[token] = caller

    def _open(self, token: str) -> Claim:
        if len(token) > MAX_TOKEN or not token.isascii():
            raise NotAuthenticated()
        try:
            clear = self._fernet.decrypt(token + "=" * (-len(token) % 4))
            payload = msgspec.msgpack.decode(clear, type=_Payload)
        except (InvalidToken, msgspec.MsgspecError):
            raise NotAuthenticated() from None
        return Claim(
            user_id=_unpacked(payload.user),
            scope=_SCOPES[payload.scope],
            scope_id=_unpacked(payload.scope_id),
            methods=tuple(method for bit, method in enumerate(METHODS) if payload.methods >> bit & 1),
            audit_ids=tuple(audit.hex() for audit in payload.audit),
            issued_at=payload.issued_at,
            expires_at=payload.expires_at,
            app_credential_id=_unpacked(payload.app_credential),
            trust_id=_unpacked(payload.trust),
        )


def open_keys(path: Path) -> list[bytes]:
    """The keys in this file, one a line, the newest first. Where there is no file, one is made with a new key, mode 0600."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was quicker: its key counts
            os.link(fresh, path)
        fresh.unlink()
    return [line for line in path.read_bytes().split() if line]


def new_audit_id() -> str:
    """A name for one token, short and unguessable."""
    return os.urandom(12).hex()


def _packed(identifier: str) -> bytes:
    """A UUID as its 16 bytes, anything else as text; the first byte says which."""
    return b"u" + bytes.fromhex(identifier) if is_uuid_hex(identifier) else b"t" + identifier.encode()


def _unpacked(packed: bytes) -> str:
    return packed[1:].hex() if packed.startswith(b"u") else packed[1:].decode()
