"""A small client of our own API for our own verbs, as the admin whose password lies in the data folder. Standard library only."""

import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from kilonova.cloud_folder import CloudFolder
from kilonova.errors import KilonovaError, NotFound, Unavailable
from kilonova.settings import Settings

TIME_LIMIT_S = 60


class Client:
    """Logs in when made. Raises Unavailable when the cloud does not answer."""

    def __init__(self, settings: Settings, folder: CloudFolder) -> None:
        self._url = settings.url
        self._token = ""
        if not folder.admin_password.exists():
            raise NotFound(f"There is no cloud in {settings.data}; `kilonova up` makes one.")
        password = folder.admin_password.read_text().strip()
        user = {"name": "admin", "domain": {"id": "default"}, "password": password}
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        self._token = self._send("POST", "/identity/v3/auth/tokens", body)[1].get("X-Subject-Token", "")

    def get(self, path: str) -> Any:
        """The decoded answer. Raises NotFound, Unavailable."""
        return self._send("GET", path)[0]

    def post(self, path: str, limit_s: float) -> Any:
        """The decoded answer to a request without a body that may take its time. Raises NotFound, Unavailable."""
        return self._send("POST", path, limit_s=limit_s)[0]

    def server(self, name_or_id: str) -> Any:
        """As `servers/detail` shows it. Raises NotFound."""
        try:
            return self.get(f"/compute/v2.1/servers/{quote(name_or_id)}")["server"]
        except NotFound:
            found = self.get(f"/compute/v2.1/servers/detail?all_tenants=1&name=^{quote(name_or_id)}$")["servers"]
        if len(found) != 1:
            raise NotFound(f"There {'is no server' if not found else 'are several servers'} {name_or_id}.")
        return found[0]

    def image_named(self, name: str) -> Any:
        """The active image of this name, or None."""
        images = self.get(f"/image/v2/images?name={quote(name)}")["images"]
        return next((image for image in images if image["status"] == "active"), None)

    def upload_image(self, name: str, file: Path) -> None:
        """A public image; its format is told by the file's ending."""
        disk_format = {".qcow2": "qcow2", ".iso": "iso"}.get(file.suffix, "raw")
        made = {"name": name, "disk_format": disk_format, "container_format": "bare", "visibility": "public"}
        image = self._send("POST", "/image/v2/images", made)[0]
        with file.open("rb") as data:
            self._send("PUT", f"/image/v2/images/{image['id']}/file", data, {"Content-Type": "application/octet-stream"})

    def _send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, limit_s: float = TIME_LIMIT_S
    ) -> Any:
        where = urlsplit(self._url)
        kind = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
        connection = kind(where.hostname or "", where.port, timeout=limit_s)
        sent = {"Accept": "application/json", "Content-Type": "application/json", **(headers or {})}
        if self._token:
            sent["X-Auth-Token"] = self._token
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        try:
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            raw = answer.read()
        except OSError:
            raise Unavailable(f"The cloud at {self._url} does not answer; is `kilonova up` running?") from None
        finally:
            connection.close()
        if answer.status == 404:
            raise NotFound(f"{path} is not there.")
        if answer.status >= 400:
            raise KilonovaError(f"{method} {path}: {answer.status} {raw[:300].decode(errors='replace')}")
        return (json.loads(raw) if raw.startswith((b"{", b"[")) else None), answer.headers
