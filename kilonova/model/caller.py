"""Who is asking: what a token says about its bearer."""

from msgspec import Struct

from kilonova.model.identity_credentials import AppCredentialUse, Trust


class Caller(Struct, frozen=True, kw_only=True):
    """An authenticated user, in the project (or domain) the token is scoped to."""

    user_id: str
    user_name: str
    user_domain_id: str = "default"
    user_domain_name: str = "Default"
    project_id: str = ""
    """Empty when the token is not scoped to a project."""
    project_name: str = ""
    project_domain_id: str = "default"
    project_domain_name: str = "Default"
    domain_id: str = ""
    domain_name: str = ""
    roles: frozenset[str] = frozenset()
    """Role names, implied roles included: an ``admin`` is also ``manager``, ``member`` and ``reader``."""
    role_ids: tuple[tuple[str, str], ...] = ()
    """(id, name) of each role as the token shows it."""
    methods: tuple[str, ...] = ("password",)
    audit_ids: tuple[str, ...] = ()
    issued_at: float = 0.0
    expires_at: float = 0.0
    is_system: bool = False
    app_credential: AppCredentialUse | None = None
    """The application credential the token was got with, or with a token that was."""
    trust: Trust | None = None
    """The trust the token was got with."""

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles
