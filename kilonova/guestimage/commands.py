"""Runs one program of the build with a time limit, and says in one line what went wrong.

It does not retry and does not log; what the program printed on success is returned.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from kilonova.errors import TimedOut, Unavailable

_PACKAGE_OF: Final = {
    "apt-cache": "apt",
    "apt-get": "apt",
    "cpio": "cpio",
    "debugfs": "e2fsprogs",
    "dpkg-deb": "dpkg",
    "mcopy": "mtools",
    "mformat": "mtools",
    "mke2fs": "e2fsprogs",
    "qemu-img": "qemu-utils",
    "syslinux": "syslinux",
    "zstd": "zstd",
}


def run(argv: Sequence[str | Path], within: float, cwd: Path | None = None, feed: str = "") -> str:
    """Run `argv` to its end, `feed` on its standard input, and return what it printed.

    Raises Unavailable if the program is missing or fails (with the last line it said), TimedOut after `within` seconds.
    """
    name = str(argv[0])
    environment = {**os.environ, "LC_ALL": "C", "MTOOLS_SKIP_CHECK": "1", "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    try:
        done = subprocess.run(
            [str(word) for word in argv], cwd=cwd, env=environment, input=feed, capture_output=True, text=True, timeout=within
        )
    except FileNotFoundError:
        raise Unavailable(f"{name} is not installed: install the Debian package {_PACKAGE_OF.get(name, name)}") from None
    except subprocess.TimeoutExpired:
        raise TimedOut(f"{name} did not finish within {within:.0f} seconds") from None
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise Unavailable(f"{name} failed: {said}")
    return done.stdout
