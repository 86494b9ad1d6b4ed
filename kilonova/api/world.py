"""What the handlers need from the rest of the cloud, as Protocols; `app/` puts the real things in.

`Books` is one transaction of the ledger: each service says in its own `needs.py` what it asks of its book.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from kilonova.api.compute.needs import ComputeBooks, ServerDesk
from kilonova.api.identity.needs import IdentityBook
from kilonova.api.image.needs import ImageBook, ImageStore, WebSource
from kilonova.api.internal.needs import TraceBook
from kilonova.api.network.needs import NetworkBook
from kilonova.api.placement.needs import AllocationBook
from kilonova.api.volume.needs import VolumeBook
from kilonova.lifecycle.volume_books import Orders
from kilonova.model.caller import Caller
from kilonova.model.identity_passwords import ANY_PASSWORD, PasswordRules
from kilonova.model.volume_wish import VolumeTerms, without_tickets
from kilonova.scheduler.choose import Ratios

Result = TypeVar("Result")
USUAL_RATIOS = Ratios()


class Books(ComputeBooks, Protocol):
    """One transaction: everything a service may look up or change, all of it or nothing."""

    @property
    def identity(self) -> IdentityBook: ...

    @property
    def images(self) -> ImageBook: ...

    @property
    def networks(self) -> NetworkBook: ...

    @property
    def actions(self) -> TraceBook: ...

    @property
    def volumes(self) -> VolumeBook: ...

    @property
    def orders(self) -> Orders: ...

    @property
    def allocations(self) -> AllocationBook: ...


class Ledger(Protocol):
    """The database behind a plain function: `change` runs in one transaction and may be run again when that is rolled back."""

    async def read(self, question: Callable[[Books], Result]) -> Result: ...

    async def write(self, change: Callable[[Books], Result]) -> Result: ...


class Tokens(Protocol):
    """Tokens are encrypted statements about a caller; nothing of them is stored but what was revoked."""

    async def caller(self, token: str) -> Caller:
        """Whose token this is. Raises NotAuthenticated when it is forged, expired, revoked, or its user or project is gone."""
        ...

    def issue(self, caller: Caller) -> str:
        """A token for `caller`, good until `caller.expires_at`."""
        ...

    def forget(self) -> None:
        """Something about users, projects or roles has changed: what was remembered of tokens no longer counts."""
        ...


class Hasher(Protocol):
    """Password hashes, computed in a thread: one takes tens of milliseconds by design."""

    async def hash(self, password: str) -> str: ...

    async def matches(self, password: str, hashed: str) -> bool: ...


@dataclass(frozen=True)
class ApiWorld:
    """Handed to every handler inside its Call. `public_url` has no slash at its end."""

    ledger: Ledger
    tokens: Tokens
    passwords: Hasher
    images: ImageStore
    servers: ServerDesk
    public_url: str
    region: str
    now: Callable[[], float]
    """Unix time."""
    readiness: Callable[[], Awaitable[dict[str, int]]]
    """How many compute hosts and network nodes are up."""
    web: WebSource | None = None
    """Where images may be imported from; None: nowhere."""
    ratios: Ratios = USUAL_RATIOS
    """How much may be claimed of what hosts have."""
    volume_terms: Callable[[float], VolumeTerms] = without_tickets
    """On which terms work on volumes is ordered at this time."""
    token_lifetime_s: float = 3600.0
    password_rules: PasswordRules = ANY_PASSWORD
