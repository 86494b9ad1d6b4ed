"""Finds the QEMUs that are ours again, by the words of their command lines."""

from itertools import pairwise
from pathlib import Path

from kilonova.drivers import process
from kilonova.drivers.process import IsIt, Process
from kilonova.model.ids import ServerId


def open_again(pid: int, ticks: int, server_id: ServerId) -> Process | None:
    """The process written down as `pid`, if it is still that one: same start time, and a QEMU with this server's uuid."""
    return process.open_again(pid, ticks, _qemu_of(server_id))


def all_uuids() -> set[str]:
    """Of every QEMU on this machine that has our mark, whichever cloud's. Looks through all processes: slow, ms."""
    lines = (process.command_line(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    ours = (words for words in lines if len(words) > 1 and words[1] == b"-S" and b"-uuid" in words[:-1])
    return {words[words.index(b"-uuid") + 1].decode(errors="replace") for words in ours}


def find(server_id: ServerId) -> tuple[int, int] | None:
    """(pid, start ticks) of a QEMU with this uuid that nobody wrote down."""
    return process.find(_qemu_of(server_id))


def _qemu_of(server_id: ServerId) -> IsIt:
    # "-S" right after the binary is our own mark: other people's QEMUs with this uuid are not ours to end.
    return lambda words: len(words) > 1 and words[1] == b"-S" and (b"-uuid", server_id.encode()) in pairwise(words)
