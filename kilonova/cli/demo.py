"""`kilonova demo`: a cloud for a minute, and a real guest in it, made with the commands that everybody uses.

Each step is the stock `openstack` client (or one of our own verbs), run as a program of its own and shown as it is typed.
Nothing is kept: the cloud lives in a temporary folder, and the demo fails if anything of it is left when it has ended.
"""

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from kilonova import guestimage
from kilonova.cli.demo_cloud import DemoCloud, leftovers
from kilonova.cli.demo_shell import Shell, patiently, say
from kilonova.errors import KilonovaError, TimedOut, Unavailable

READY_WITHIN_S: Final = 120.0
CLIENT_WITHIN_S: Final = 60.0
ACTIVE_WITHIN_S: Final = 240.0
SSH_WITHIN_S: Final = 180.0
WORDS_WITHIN_S: Final = 60.0
NEEDED: Final = {"qemu-system-x86_64": "qemu-system-x86", "qemu-img": "qemu-utils", "ssh": "openssh-client"}
NAME: Final = "first-light"
USER_DATA: Final = """#!/bin/sh
# What the server is told to do when it starts: say something that only it can know.
echo "first light: I am $(hostname), $(uname -sm), and I have been awake for $(cut -d. -f1 /proc/uptime) seconds." >/dev/console
"""


def perform(cache: Path | None) -> int:
    """The whole demo, the guest image cached in `cache`; 0. Raises KilonovaError with one line on what went wrong."""
    _check_programs()
    signal.signal(signal.SIGTERM, _give_up)
    with tempfile.TemporaryDirectory(prefix="kilonova-demo-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        image = guestimage.build(folder / "guest.qcow2", cache or guestimage.own_cache(), lambda line: say(f"image: {line}"))
        cloud = DemoCloud(folder / "cloud", _free_port())
        try:
            with _running(cloud):
                last = _show(Shell(folder, cloud), image)
        except KilonovaError as wrong:
            raise Unavailable(f"The demo failed: {wrong} The logs of its cloud are in {_keep_logs(cloud)}.") from wrong
        _check_nothing_left(cloud)
    say(last)
    return 0


def _give_up(*_: object) -> None:
    """Told to end: as if by Ctrl-C, so that everything is cleaned up on the way out."""
    raise KeyboardInterrupt


def _keep_logs(cloud: DemoCloud) -> Path:
    kept = Path(tempfile.mkdtemp(prefix="kilonova-demo-log-"))
    shutil.copytree(cloud.logs, kept, dirs_exist_ok=True)
    return kept


def _show(shell: Shell, image: Path) -> str:
    """What the audience sees, from the image to the deleted server; the demo's last line."""
    key = _prepare(shell, image)
    _build(shell)
    reached_at = _log_in(shell, key)
    shell.kilonova("trace", NAME)
    requested_at, active_s = _times(shell)
    _compare_addresses(shell, key)
    _let_it_speak(shell)
    shell.openstack("server", "delete", "--wait", NAME, within_s=ACTIVE_WITHIN_S)
    patiently("the guest's process to end", CLIENT_WITHIN_S, lambda: not shell.cloud.guests())
    return f"demo: ACTIVE in {active_s:.1f} s, guest answered ssh in {reached_at - requested_at:.1f} s"


def _prepare(shell: Shell, image: Path) -> Path:
    """The image and a key of our own are registered; the private key's file."""
    key = shell.folder / "key"
    _make_key(key)
    (shell.folder / "hello.sh").write_text(USER_DATA)
    shell.openstack("image", "create", "--disk-format", "qcow2", "--file", image.name, "linux", "-c", "name", "-c", "status")
    shell.openstack("keypair", "create", "--public-key", "key.pub", "mine", "-c", "name", "-c", "type")
    return key


def _build(shell: Shell) -> None:
    wish = ("--image", "linux", "--flavor", "m1.tiny", "--network", "default", "--key-name", "mine", "--user-data", "hello.sh")
    shown = ("-c", "name", "-c", "status", "-c", "addresses", "-c", "id")
    shell.openstack("server", "create", *wish, "--wait", NAME, *shown, within_s=ACTIVE_WITHIN_S)


def _times(shell: Shell) -> tuple[float, float]:
    """When the request came in (seconds since 1970), and how long from there until the server was ACTIVE."""
    trace: Any = json.loads(shell.kilonova("trace", "--json", NAME, show=False))
    hops = [hop for step in trace["steps"] for hop in step["hops"]]
    return min(float(hop["started_at"]) for hop in hops), float(trace["total_ms"]) / 1000


def _log_in(shell: Shell, key: Path) -> float:
    """Knock until the guest's ssh lets us in; when that was, in seconds since 1970. Raises TimedOut."""
    words = ("ssh", "-i", key.name, NAME, "uname -a; cat /proc/uptime")
    shell.prompt("kilonova", *words)

    refusal = ""

    def answer() -> str:
        nonlocal refusal
        done = shell.run("kilonova", *words, within_s=CLIENT_WITHIN_S)
        refusal = done.stderr.strip().rpartition("\n")[2]
        return done.stdout if done.returncode == 0 else ""

    try:
        said = patiently("the guest to answer ssh", SSH_WITHIN_S, answer)
    except TimedOut as late:
        raise TimedOut(f"{late} ssh says: {refusal or 'nothing'}") from None
    reached_at = time.time()
    shell.echo(said)
    return reached_at


def _compare_addresses(shell: Shell, key: Path) -> None:
    """The address the guest got by DHCP must be the one the API tells. Raises Unavailable."""
    told = json.loads(shell.openstack("server", "show", "-f", "json", "-c", "addresses", NAME))["addresses"]
    inside = shell.kilonova("ssh", "-i", key.name, NAME, "ip -4 -o addr show scope global")
    wanted = [address for each in told.values() for address in each if "." in address]
    if not wanted or any(f" {address}/" not in inside for address in wanted):
        raise Unavailable(f"The API tells the address {', '.join(wanted) or 'none'}, but the guest has another.")
    say(f"the guest has the address the API tells: {', '.join(wanted)}")


def _let_it_speak(shell: Shell) -> None:
    """The last lines of the serial console, with what the user data made the guest say. Raises TimedOut."""

    def spoken() -> bool:
        console = shell.run("openstack", "console", "log", "show", NAME, within_s=CLIENT_WITHIN_S).stdout
        return f"first light: I am {NAME}" in console

    patiently("the guest's user data to run", WORDS_WITHIN_S, spoken)
    shell.openstack("console", "log", "show", "--lines", "12", NAME)


@contextlib.contextmanager
def _running(cloud: DemoCloud) -> Iterator[None]:
    """The cloud, started and ready; ended in any case."""
    shown = f"kilonova up --data {cloud.data.name} --listen 127.0.0.1:{cloud.port}"
    say(f"$ {shown}", bold=True)
    began = time.monotonic()
    with cloud.started():
        patiently("the cloud to start", READY_WITHIN_S, cloud.is_ready)
        say(f"ready in {time.monotonic() - began:.1f} s")
        yield
        say("$ kill %1   # the cloud ends", bold=True)


def _check_nothing_left(cloud: DemoCloud) -> None:
    """Raises Unavailable when a process, a network namespace or a link of this cloud is still there."""
    left = leftovers(cloud)
    if left:
        raise Unavailable(f"The demo's cloud has ended, but something of it is left: {', '.join(left)}.")
    say("nothing of it is left: no process, no network namespace, no link, no file")


def _check_programs() -> None:
    missing = sorted(package for program, package in NEEDED.items() if shutil.which(program) is None)
    if missing:
        raise Unavailable(f"Not installed: {', '.join(missing)}; `make demo` installs what is missing where it may.")
    if shutil.which("openstack", path=str(Path(sys.executable).parent)) is None:
        raise Unavailable("The stock client is not installed; `make demo` installs it.")


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def _make_key(file: Path) -> None:
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "demo", "-f", str(file)]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=CLIENT_WITHIN_S, check=False)
    if done.returncode != 0:
        raise Unavailable("ssh-keygen could not make a key.")
