"""Keeps processes running: starts them, starts them again when they die, ends them in order. Knows no cloud."""

import asyncio
import ctypes
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import click

PR_SET_PDEATHSIG = 1
SOON_S = 2.0
"""A process that lived shorter than this is waited for a little before it is started again; one that served is not."""
PAUSES_S = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0)
_LIBC = ctypes.CDLL(None)


def end_with_parent(parent: int) -> None:
    """In the child: a parent that was killed takes its roles with it, as abruptly; guests go on, to be taken back."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it was killed a moment ago


@dataclass
class Role:
    """One process: `argv`, where its output goes, where its pid is written."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    pid_file: Path
    patience_s: float
    """How long it may take to end when it is told to, before it is killed."""
    process: asyncio.subprocess.Process | None = None
    ending: bool = False
    deaths: int = 0
    """One soon after the other."""
    all_deaths: int = 0
    _keeper: asyncio.Task[None] | None = field(default=None, repr=False)

    def start(self) -> None:
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Told to end, waited for, and killed if it does not."""
        self.ending = True
        process = self.process
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(self.patience_s):
                    await process.wait()
            except TimeoutError:
                click.echo(f"{self.name} does not end, it is killed", err=True)
                process.kill()
                await process.wait()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        self.pid_file.unlink(missing_ok=True)

    @property
    def ended_well(self) -> bool:
        """Whether it ended by itself and put its things away."""
        return self.process is not None and self.process.returncode == 0

    def last_words(self) -> str:
        """The last line it wrote: why it died, most of the time."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return lines[-1] if lines else ""

    def _is_ending(self) -> bool:
        return self.ending

    async def _keep(self) -> None:
        while not self.ending:
            began = time.monotonic()
            with self.log.open("ab") as log:
                self.process = await asyncio.create_subprocess_exec(
                    *self.argv,
                    env=dict(self.environment),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=partial(end_with_parent, os.getpid()),
                )
            write_pid(self.pid_file, self.process.pid)
            code = await self.process.wait()
            if self._is_ending():
                return
            self.all_deaths += 1
            self.deaths = self.deaths + 1 if time.monotonic() - began < SOON_S else 1
            click.echo(f"{self.name} ended ({how(code)}), starting it again", err=True)
            await asyncio.sleep(PAUSES_S[min(self.deaths - 1, len(PAUSES_S) - 1)])


def how(code: int) -> str:
    """An exit code in words; below zero it is a signal's."""
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit {code}"


def write_pid(file: Path, pid: int) -> None:
    """At no moment is the file there without a whole number in it."""
    half = file.with_suffix(".new")
    half.write_text(f"{pid}\n")
    half.replace(file)
