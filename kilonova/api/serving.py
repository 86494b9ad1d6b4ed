"""The HTTP server around the application: uvicorn, without its own logs and signal handlers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

KEEP_ALIVE_S = 75
DRAIN_S = 5


class _Server(uvicorn.Server):
    """The role has its own signal handlers."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def quiet_server(app: Any) -> uvicorn.Server:
    """Serves `app` on sockets that are handed to ``serve``."""
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
        h11_max_incomplete_event_size=64 * 1024,
    )
    return _Server(config)
