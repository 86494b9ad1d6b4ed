"""The shell of `kilonova demo`: shows a command, runs it, shows what it says. It decides nothing."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import TypeVar

import click

from kilonova.cli.demo_cloud import DemoCloud
from kilonova.errors import TimedOut, Unavailable

PROGRESS_S = 5.0
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 0.5
WIDTH = 110
"""Of what commands print: wide enough for the table of the nine steps."""

Found = TypeVar("Found")
Done = subprocess.CompletedProcess[str]


def say(line: str, *, bold: bool = False) -> None:
    """One line to whoever watches, at once."""
    click.echo(click.style(line, bold=True) if bold else line)
    sys.stdout.flush()


def patiently(what: str, within_s: float, look: Callable[[], Found]) -> Found:
    """What `look` finds as soon as that is something, with a line of progress now and then. Raises TimedOut."""
    began, said, pause = time.monotonic(), 0.0, FIRST_PAUSE_S
    while not (found := look()):
        waited = time.monotonic() - began
        if waited > within_s:
            raise TimedOut(f"Waited {within_s:.0f} s for {what}, in vain.")
        if waited > said + PROGRESS_S:
            said = waited
            say(f"  waiting for {what} ({waited:.0f} s)")
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE_S)
    return found


class Shell:
    """Runs commands in `folder`, as the admin of `cloud`."""

    def __init__(self, folder: Path, cloud: DemoCloud) -> None:
        self.folder, self.cloud = folder, cloud
        programs = Path(sys.executable).parent
        self._argv = {"openstack": (str(programs / "openstack"),), "kilonova": (sys.executable, "-P", "-m", "kilonova.cli")}
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "KILONOVA_"))}
        # A proxy that the machine is told to use is not for the loopback address.
        near = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "COLUMNS": str(WIDTH)}
        mine = {
            "OS_CLIENT_CONFIG_FILE": str(cloud.data / "clouds.yaml"),
            "OS_CLOUD": "kilonova",
            "KILONOVA_DATA": str(cloud.data),
        }
        self._environment = {**clean, **near, **mine}

    def openstack(self, *words: str, within_s: float = 60.0) -> str:
        """What the stock client says, shown too. Raises Unavailable when it fails, TimedOut."""
        return self._show("openstack", words, within_s)

    def kilonova(self, *words: str, show: bool = True) -> str:
        """The same for our own verbs."""
        return self._show("kilonova", words, 60.0) if show else self._checked("kilonova", words, 60.0)

    def run(self, program: str, *words: str, within_s: float) -> Done:
        """Run it to its end without a word; a line of progress when it takes long. Raises TimedOut."""
        process = subprocess.Popen(
            [*self._argv[program], *words],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        began = time.monotonic()
        try:
            while True:
                try:
                    out, err = process.communicate(timeout=PROGRESS_S)
                    return Done(process.args, process.returncode, out, err)
                except subprocess.TimeoutExpired:
                    waited = time.monotonic() - began
                    if waited > within_s:
                        raise TimedOut(f"`{_short(program, words)}` took longer than {within_s:.0f} s.") from None
                    say(f"  `{_short(program, words)}` is at work ({waited:.0f} s)")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def prompt(self, program: str, *words: str) -> None:
        """The command, as one would type it."""
        say(f"$ {shlex.join((program, *words))}", bold=True)

    def echo(self, text: str) -> None:
        """What a command said."""
        for line in text.strip("\n").splitlines():
            if not line.startswith("Progress: "):  # the client's own, made for a terminal
                say(f"  {line.rstrip()}")

    def _show(self, program: str, words: tuple[str, ...], within_s: float) -> str:
        self.prompt(program, *words)
        said = self._checked(program, words, within_s)
        self.echo(said)
        return said

    def _checked(self, program: str, words: tuple[str, ...], within_s: float) -> str:
        done = self.run(program, *words, within_s=within_s)
        if done.returncode != 0:
            last = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
            raise Unavailable(f"`{_short(program, words)}` failed: {last}")
        return done.stdout


def _short(program: str, words: tuple[str, ...]) -> str:
    """The command without its options and what follows them."""
    return " ".join((program, *takewhile(lambda word: not word.startswith("-"), words)))
