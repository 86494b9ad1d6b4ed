"""When a password may be tried and when it may be chosen: lockout after failures, and no going back to an old one. No I/O."""

from msgspec import Struct


class Failures(Struct, frozen=True):
    """How often in a row a password was wrong, and when last (Unix time)."""

    count: int = 0
    last_at: float = 0.0


class PasswordRules(Struct, frozen=True, kw_only=True):
    """Each is off at 0."""

    unique_last_password_count: int = 0
    """A user may not choose again one of its so many last passwords, the present one included."""
    lockout_failure_attempts: int = 0
    """After so many wrong passwords in a row no password is right for `lockout_duration`."""
    lockout_duration: float = 0.0
    """Seconds; 0: until an admin enables the user again or sets a password."""

    def is_locked(self, failures: Failures, now: float) -> bool:
        return self._is_full(failures) and (self.lockout_duration <= 0 or now < failures.last_at + self.lockout_duration)

    def after_failure(self, failures: Failures, now: float) -> Failures:
        """One more; it is the first again when a lockout is over."""
        return Failures(1 if self._is_full(failures) else failures.count + 1, now)

    def _is_full(self, failures: Failures) -> bool:
        return 0 < self.lockout_failure_attempts <= failures.count


ANY_PASSWORD = PasswordRules()
"""Everything off."""
