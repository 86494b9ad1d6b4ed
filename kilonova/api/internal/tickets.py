"""A ticket lets one host fetch one image until a time: signed, so that no table of them is needed."""

import hashlib
import hmac

from kilonova.errors import NotAuthenticated


class Tickets:
    """`key`: 32 random bytes that only control has."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, image_id: str, host: str, until: float) -> str:
        """``UNTIL.HOST.SIGNATURE``; good until `until`, Unix time."""
        end = f"{int(until)}"
        return f"{end}.{host.encode().hex()}.{self._sign(image_id, host, end)}"

    def check(self, ticket: str, image_id: str, now: float) -> None:
        """Raises NotAuthenticated when it is not for this image, is over, or was not written here."""
        try:
            end, host_hex, signature = ticket.split(".")
            host = bytes.fromhex(host_hex).decode()
            until = int(end)
        except ValueError:
            raise NotAuthenticated("The ticket is malformed.") from None
        if not hmac.compare_digest(signature, self._sign(image_id, host, end)) or now > until:
            raise NotAuthenticated("The ticket is not good for this image.")

    def _sign(self, image_id: str, host: str, end: str) -> str:
        return hmac.new(self._key, f"{image_id}\n{host}\n{end}".encode(), hashlib.sha256).hexdigest()
