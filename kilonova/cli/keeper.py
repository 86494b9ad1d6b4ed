"""Keeps a loaded process beside the one that serves: when that is killed, another is forked from it in milliseconds.

For a role whose start is mostly loading. Whatever ends by itself, well or with an error, is the supervisor's business.
"""

import gc
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import click

from kilonova.cli.supervisor import PAUSES_S, SOON_S, end_with_parent, how, write_pid


class Keeper:
    """Of one role: `serve` runs in a process of its own, whose pid stands in `pid_file`, again each time a signal ends it."""

    def __init__(self, name: str, serve: Callable[[], None], pid_file: Path) -> None:
        self._name, self._serve, self._pid_file = name, serve, pid_file
        self._serving = 0
        self._told = False

    def keep(self) -> int:
        """Until told to end, until it ends by itself, or is killed again and again; the exit code. All is loaded before."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._tell)
        gc.collect()
        gc.freeze()  # what is loaded stays shared between the two
        soon = 0
        while True:
            began = time.monotonic()
            self._serving = self._fork()
            if self._told:
                os.kill(self._serving, signal.SIGTERM)
            code = os.waitstatus_to_exitcode(os.waitpid(self._serving, 0)[1])
            self._serving = 0
            soon = soon + 1 if time.monotonic() - began < SOON_S else 1
            if self._told or code >= 0 or soon == len(PAUSES_S):
                self._pid_file.unlink(missing_ok=True)
                return code if code >= 0 else 128 - code
            click.echo(f"{self._name} ended ({how(code)}), it goes on from what is loaded", err=True)
            time.sleep(PAUSES_S[soon - 1])

    def _fork(self) -> int:
        """The pid of the process that serves; in that process, it never returns."""
        keeper = os.getpid()
        # A signal between fork and the handlers of its own must end it, not be passed on by it.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
        pid = os.fork()
        if pid == 0:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
            end_with_parent(keeper)
            self._serve()
            raise SystemExit(0)
        write_pid(self._pid_file, pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
        return pid

    def _tell(self, number: int, frame: object) -> None:
        self._told = True
        if self._serving:
            os.kill(self._serving, signal.SIGTERM)
