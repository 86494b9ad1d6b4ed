"""The stock command line, unmodified, without the second it takes to start: each command runs in a fork of a process that has it.

Lines on stdin are JSON
lists of words; each is answered by one JSON line on stdout. Run as a program by `Session`.
"""

import importlib
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn, cast

COMMAND_WITHIN_S = 60


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it printed."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"openstack {' '.join(self.argv)}: {self.code}\n{self.out[-2000:]}\n{self.err[-2000:]}"


class Session:
    """A person at a shell, with the environment of an openrc file."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.clients.session"],
            env=dict(environment),
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *argv: str) -> Said:
        """Whatever comes of it."""
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        late = threading.Timer(COMMAND_WITHIN_S, process.kill)
        late.start()
        try:
            process.stdin.write(json.dumps(argv) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        finally:
            late.cancel()
        assert line, f"openstack {' '.join(argv)}: no answer within {COMMAND_WITHIN_S} s, or the shell died"
        return Said(argv, **json.loads(line))

    def __call__(self, *argv: str) -> str:
        """What a command that must succeed prints."""
        said = self.run(*argv)
        assert said.code == 0, said
        return said.out

    def json(self, *argv: str) -> Any:
        """The same, decoded; `argv` without ``-f json``."""
        printed = self(*argv, "-f", "json")
        return json.loads(printed)

    def show(self, *argv: str) -> dict[str, Any]:
        return cast(dict[str, Any], self.json(*argv))

    def rows(self, *argv: str) -> list[dict[str, Any]]:
        return cast(list[dict[str, Any]], self.json(*argv))

    def names(self, *argv: str) -> list[str]:
        """The column Name of a list."""
        return [str(row["Name"]) for row in self.rows(*argv)]

    def refused(self, *argv: str) -> str:
        """What a command that must fail says about it; a traceback is no answer."""
        said = self.run(*argv)
        assert said.code != 0 and "Traceback" not in said.err and "HTTP 5" not in said.err, said
        return said.err

    def end(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)


class Terminal(io.StringIO):
    """What commands find as their stdin. `image create` without ``--file`` would take anything else for the image."""

    def isatty(self) -> bool:
        return True


def serve() -> None:
    """Until stdin ends. Each command has a process of its own, forked: the client keeps connections for as long as it lives."""
    from openstackclient.shell import OpenStackShell

    importlib.import_module("openstack.connection")
    questions, answers = sys.stdin, sys.stdout
    with redirect_stdout(io.StringIO()):
        OpenStackShell().run(["help", "server", "list"])  # loads what most commands need
    for line in questions:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if child == 0:
                sys.stdin = Terminal()
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                end_with(OpenStackShell().run, json.loads(line))
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            answers.write(json.dumps({"code": code, "out": _read(out), "err": _read(err)}) + "\n")
            answers.flush()


def end_with(run: Callable[[list[str]], int | None], argv: list[str]) -> NoReturn:
    """The process ends with the exit code of `run`, and without the goodbyes of the process it was forked from."""
    code = 70
    try:
        code = int(run(argv) or 0)
    except SystemExit as ended:  # argparse's way
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


if __name__ == "__main__":
    serve()
