"""A ticket lets one host fetch, or send, one image until a time: signed, so that no table of them is needed."""

import hashlib
import hmac

from kilonova.errors import NotAuthenticated

_READ, _WRITE = "", "write\n"
"""What is signed before the rest: a ticket to fetch is none to send."""


class Tickets:
    """`key`: 32 random bytes that only control has."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, image_id: str, host: str, until: float) -> str:
        """To fetch: ``UNTIL.HOST.SIGNATURE``; good until `until`, Unix time."""
        return self._issue(_READ, image_id, host, until)

    def issue_write(self, image_id: str, host: str, until: float) -> str:
        """To send the bytes of an image that waits for them."""
        return self._issue(_WRITE, image_id, host, until)

    def check(self, ticket: str, image_id: str, now: float) -> None:
        """Raises NotAuthenticated when it is not to fetch this image, is over, or was not written here."""
        self._check(_READ, ticket, image_id, now)

    def check_write(self, ticket: str, image_id: str, now: float) -> str:
        """The host that may send. Raises NotAuthenticated when it is not to send this image, is over, or was not written here."""
        return self._check(_WRITE, ticket, image_id, now)

    def _issue(self, right: str, image_id: str, host: str, until: float) -> str:
        end = f"{int(until)}"
        return f"{end}.{host.encode().hex()}.{self._sign(right, image_id, host, end)}"

    def _check(self, right: str, ticket: str, image_id: str, now: float) -> str:
        try:
            end, host_hex, signature = ticket.split(".")
            host = bytes.fromhex(host_hex).decode()
            until = int(end)
        except ValueError:
            raise NotAuthenticated("The ticket is malformed.") from None
        good = hmac.compare_digest(signature.encode(), self._sign(right, image_id, host, end).encode())
        if not good or now > until:
            raise NotAuthenticated("The ticket is not good for this image.")
        return host

    def _sign(self, right: str, image_id: str, host: str, end: str) -> str:
        return hmac.new(self._key, f"{right}{image_id}\n{host}\n{end}".encode(), hashlib.sha256).hexdigest()
