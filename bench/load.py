"""A steady load of builds from clients that do not give up, and what they saw: for measuring how long a fault is felt.

A build is accepted when the API says so, and over when a client sees it ACTIVE or in ERROR. Times are of `time.monotonic`.
"""

import http.client
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.builds import wish
from bench.client import Client, Refused

AGAIN_S = 0.02
POLL_S = 0.05
PATIENCE_S = 90.0


@dataclass
class Build:
    """One build as its client saw it: when it was first asked for, accepted, and over; its id and how it ended."""

    began: float
    accepted: float = 0.0
    ended: float = 0.0
    server_id: str = ""
    status: str = ""


@dataclass
class Load:
    """`clients` threads (each with a connection of its own) that begin `rate` builds a second together until `stop`.

    Each client begins no more than `each` builds, where that is given. Many clients should ask seldom (`poll_s`), or what is
    measured is how fast control answers them.
    """

    connect: Callable[[], Client]
    things: dict[str, str]
    tag: str
    rate: float = 20.0
    clients: int = 16
    each: int | None = None
    poll_s: float = POLL_S
    builds: list[Build] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def start(self) -> None:
        began = time.monotonic()
        self._threads = [threading.Thread(target=self._go_on, args=(began,)) for _ in range(self.clients)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> list[Build]:
        """Begins no more (but as many as each client shall), and waits for the last, or for the clients' patience to end."""
        if self.each is None:
            self._stop.set()
        for thread in self._threads:
            thread.join()
        return sorted(self.builds, key=lambda build: build.began)

    def _go_on(self, began: float) -> None:
        client = Patient(self.connect())
        try:
            self._build_on(client, began)
        finally:
            client.close()

    def _build_on(self, client: "Patient", began: float) -> None:
        for _ in itertools.repeat(None) if self.each is None else range(self.each):
            number = next(self._numbers)
            if self._stop.wait(max(0.0, began + number / self.rate - time.monotonic())):
                return
            build = Build(time.monotonic())
            self.builds.append(build)
            order(client, build, f"{self.tag}-{number}", self.things)
            follow(client, build, self.poll_s)


class Patient:
    """A client that asks again where nothing answered, or the answer was 503. Raises TimeoutError in the end."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                return self._client.send(method, path, body, **headers)
            except (OSError, http.client.HTTPException):
                self._client.close()
            except Refused as refused:
                if refused.status != 503:
                    raise
            time.sleep(AGAIN_S)
        raise TimeoutError(f"{method} {path}: no answer within {PATIENCE_S:.0f} s")

    def close(self) -> None:
        self._client.close()


def order(client: Patient, build: Build, name: str, things: dict[str, str]) -> None:
    """Until it is accepted. Repeated safely: it has a key."""
    said = {"Idempotency-Key": name, "OpenStack-API-Version": "compute 2.90"}
    answer = client.send("POST", "/compute/v2.1/servers", wish(name, things, networks=True), **said)
    build.accepted, build.server_id = time.monotonic(), str(answer["server"]["id"])


def follow(client: Patient, build: Build, poll_s: float) -> None:
    """Asks every `poll_s` seconds until it is over, or the patience for it is."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        status = client.send("GET", f"/compute/v2.1/servers/{build.server_id}")["server"]["status"]
        if status != "BUILD":
            build.ended, build.status = time.monotonic(), status
            return
        time.sleep(poll_s)


def goes_on_after_s(builds: Sequence[Build], struck: float) -> float | None:
    """From the fault until the first build that was begun after it is ACTIVE; None: there was none."""
    ended = [build.ended for build in builds if build.began > struck and build.status == "ACTIVE"]
    return min(ended) - struck if ended else None


def throughput(builds: Sequence[Build], since: float, until: float) -> float:
    """Builds that became ACTIVE in a second, between two moments."""
    return sum(since < build.ended <= until for build in builds if build.status == "ACTIVE") / (until - since)


def back_after_s(builds: Sequence[Build], struck: float, *, share: float = 0.8, window_s: float = 1.0) -> float | None:
    """From the fault until the end of the first second in which the throughput is `share` of what it was; None: never."""
    before = throughput(builds, struck - 5.0, struck)
    moments = sorted(build.ended for build in builds if build.ended > struck)
    for moment in moments:
        if moment - window_s >= struck and throughput(builds, moment - window_s, moment) >= share * before:
            return moment - struck
    return None
