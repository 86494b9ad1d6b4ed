"""Password hashes by argon2id, in a thread, a few at a time. Stores nothing and knows no user."""

import asyncio
import os
from base64 import b64encode
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MEMORY_KIB = 19_456
ROUNDS = 3
MAX_PASSWORD = 4096
"""Characters, as in Keystone."""


class Argon2:
    """Implements the Protocol `Hasher`. One hash takes some 30 to 60 ms and 19 MiB, by design."""

    def __init__(self, memory_kib: int = MEMORY_KIB, rounds: int = ROUNDS) -> None:
        self._memory_kib = memory_kib
        self._rounds = rounds
        self._at_once = asyncio.Semaphore(max(1, (os.cpu_count() or 1)))

    async def hash(self, password: str) -> str:
        """The hash to keep."""
        async with self._at_once:
            return await asyncio.to_thread(lambda: self._argon2.hash(password))

    async def matches(self, password: str, hashed: str) -> bool:
        """Is this the password? With an empty hash (no such user, no password) the answer is no, and takes as long."""
        async with self._at_once:
            return await asyncio.to_thread(self._matches, password, hashed)

    def _matches(self, password: str, hashed: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            return self._argon2.verify(hashed or self._nobodys, password) and bool(hashed)
        except (VerificationError, InvalidHashError):
            return False

    @cached_property
    def _argon2(self) -> "PasswordHasher":
        """Imported when the first password comes: the library need not be there to start."""
        from argon2 import PasswordHasher

        return PasswordHasher(time_cost=self._rounds, memory_cost=self._memory_kib, parallelism=1)

    @cached_property
    def _nobodys(self) -> str:
        """A hash of the same cost that no known password has."""
        salt, digest = (b64encode(os.urandom(size)).decode().rstrip("=") for size in (16, 32))
        return f"$argon2id$v=19$m={self._memory_kib},t={self._rounds},p=1${salt}${digest}"
