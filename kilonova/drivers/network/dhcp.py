"""One dnsmasq for each network: it answers DHCP (and announces IPv6) with fixed addresses only, and no DNS.

It is a process of its own that outlives the network node; it is found again by its pid file and known by its command line.
Start it in the network's namespace; everything else can be called from anywhere.
"""

import ipaddress
import logging
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from kilonova.drivers.network import namespaces
from kilonova.drivers.network.layout import BRIDGE, METADATA_IP, Layout, Member, Subnet
from kilonova.errors import BuildFailed

_START_LIMIT_S = 10.0
_STOP_LIMIT_S = 2.0
_LEASE_TIME = "24h"
_log = logging.getLogger(__name__)


class Dnsmasq:
    """The DHCP server of one network, with all its files in `folder`."""

    def __init__(self, folder: Path, program: str = "dnsmasq") -> None:
        self._folder, self._program = folder, program
        self._conf, self._hosts, self._options = folder / "dnsmasq.conf", folder / "hosts", folder / "options"
        self._leases, self._pid_file = folder / "leases", folder / "pid"

    def serve(self, layout: Layout, members: Iterable[Member], *, anew: bool = False) -> None:
        """Answer exactly these members from now on; starts it if it does not run, or `anew`. Raises BuildFailed.

        To be called in the network's namespace; `anew` when that is not the one it was started in.
        """
        self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        members = tuple(members)
        changed = _write(self._conf, self._configuration(layout)) or anew
        _write(self._hosts, hosts_text(members))
        _write(self._options, options_text(members))
        pid = self.pid()
        stale = self._drop_stale_leases(members) if not changed else False
        if pid is not None and not changed and not stale and _reload(pid):
            return
        self.stop()
        self._drop_stale_leases(members)
        if any(subnet.dhcp for subnet in layout.subnets):
            self._start()

    def announce(self, prefixes: Mapping[str, Iterable[str]], *, anew: bool = False) -> None:
        """Only tell who is on these links (name → IPv6 CIDRs) that this is their router. Raises BuildFailed."""
        if not prefixes:
            self.forget()
            return
        self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        lines = ["port=0", "bind-interfaces", "no-hosts", "no-resolv", "quiet-ra", "quiet-dhcp6", "enable-ra"]
        # Nobody is known to it, so it hands out no address: the network's own DHCP does.
        lines += ["dhcp-ignore=tag:!known", "except-interface=lo", f"user={_user(self._folder)}", f"pid-file={self._pid_file}"]
        lines += [f"dhcp-leasefile={self._leases}", f"log-facility={self._folder / 'log'}"]
        for link, cidrs in sorted(prefixes.items()):
            lines.append(f"interface={link}")
            nets = (ipaddress.IPv6Network(cidr) for cidr in sorted(cidrs))
            lines += [f"dhcp-range={net.network_address},static,{net.prefixlen},{_LEASE_TIME}" for net in nets]
        if _write(self._conf, "\n".join(lines) + "\n") or anew or self.pid() is None:
            self.stop()
            self._start()

    def stop(self) -> None:
        """End it, and wait for that up to two seconds before it is killed; none there is no error."""
        for pid in _find(str(self._conf)):
            _end(pid)
        self._pid_file.unlink(missing_ok=True)

    def forget(self) -> None:
        """End it and remove all its files."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def pid(self) -> int | None:
        """Its process, if that runs and really is it."""
        try:
            pid = int(self._pid_file.read_text())
        except (OSError, ValueError):
            return None
        return pid if _is_ours(pid, str(self._conf)) else None

    def _start(self) -> None:
        # It goes into the background itself, and only when it has bound its sockets: when this returns, it answers.
        order = [self._program, f"--conf-file={self._conf}"]
        try:
            done = subprocess.run(order, capture_output=True, timeout=_START_LIMIT_S, check=False, start_new_session=True)
        except (OSError, subprocess.TimeoutExpired) as error:
            _log.warning("DHCP did not start: %s", error)
            raise BuildFailed("The network's DHCP service could not be started.") from error
        if done.returncode != 0 or self.pid() is None:
            _log.warning("DHCP did not start: %s", done.stderr.decode(errors="replace"))
            raise BuildFailed("The network's DHCP service could not be started.")

    def _drop_stale_leases(self, members: tuple[Member, ...]) -> bool:
        """Forget leases of an address that now belongs to another MAC: dnsmasq would refuse it to its new owner for a day.

        True if there were any. What it removes counts only after a restart, because dnsmasq keeps its leases in memory.
        """
        owner = {ip: port.mac for port in members for ip in port.ips}
        try:
            lines = self._leases.read_text().splitlines()
        except OSError:
            return False
        kept = [line for line in lines if not _is_stale(line.split(), owner)]
        if len(kept) == len(lines):
            return False
        if self.pid() is None:
            self._leases.write_text("".join(line + "\n" for line in kept))
        return True

    def _configuration(self, layout: Layout) -> str:
        lines = [
            "port=0",
            f"interface={BRIDGE}",
            "except-interface=lo",
            "bind-interfaces",
            "no-hosts",
            "no-resolv",
            "no-ping",
            "quiet-dhcp",
            "quiet-dhcp6",
            "quiet-ra",
            "dhcp-authoritative",
            "dhcp-no-override",
            "dhcp-ignore=tag:!known",
            "dhcp-ignore-names",  # a name one guest gives is not sent back: what a guest is called its metadata says
            "dhcp-lease-max=65536",
            f"user={_user(self._folder)}",
            f"pid-file={self._pid_file}",
            f"dhcp-hostsfile={self._hosts}",
            f"dhcp-optsfile={self._options}",
            f"dhcp-leasefile={self._leases}",
            f"log-facility={self._folder / 'log'}",
        ]
        if any(subnet.version == 6 and subnet.routed for subnet in layout.subnets):
            lines.append(f"ra-param={BRIDGE},0,0")  # who leads out says so itself
        for number, subnet in enumerate(layout.subnets):
            if subnet.dhcp:
                lines += _range(f"s{number}", subnet, layout.mtu)
        return "\n".join(lines) + "\n"


def hosts_text(members: Iterable[Member]) -> str:
    """One line for each MAC with its addresses, as dnsmasq reads them."""
    lines = []
    for port in members:
        four = [ip for ip in port.ips if ":" not in ip]
        six = [f"[{ip}]" for ip in port.ips if ":" in ip]
        own = f"{port.mac},set:{port.tap}" if port.options else port.mac
        lines += [f"{own},{ip}\n" for ip in four[:1]]
        lines += [f"{own},{ip}\n" for ip in six]
    return "".join(lines)


def options_text(members: Iterable[Member]) -> str:
    """What single members are told besides, as dnsmasq reads it; an option it does not know it logs and leaves out."""
    lines = []
    for port in members:
        for name, value, version in port.options:
            kind = "option6" if version == 6 else "option"
            which = name if name.isdigit() and version == 4 else f"{kind}:{name}"
            lines.append(f"tag:{port.tap},{which},{value}\n")
    return "".join(lines)


def _range(tag: str, subnet: Subnet, mtu: int) -> list[str]:
    net = ipaddress.ip_network(subnet.cidr)
    if isinstance(net, ipaddress.IPv6Network):
        lines = ["enable-ra", f"dhcp-range=set:{tag},{net.network_address},static,{net.prefixlen},{_LEASE_TIME}"]
        servers = ",".join(f"[{ip}]" for ip in subnet.dns)
        return [*lines, f"dhcp-option=tag:{tag},option6:dns-server,{servers}"] if servers else lines
    # Where the bridge has no address of the subnet, dnsmasq must be told that it serves it all the same.
    elsewhere = [] if subnet.carried else [f"shared-network={BRIDGE},{net.network_address}"]
    # A guest takes 121 and then ignores 3, so the default route stands in both.
    routes = [(f"{METADATA_IP}/32", subnet.carried or "0.0.0.0"), *subnet.host_routes]
    routes += [("0.0.0.0/0", subnet.gateway)] if subnet.gateway else []
    flat = ",".join(f"{to},{via}" for to, via in routes)
    return [
        f"dhcp-range=set:{tag},{net.network_address},static,{net.netmask},{_LEASE_TIME}",
        f"dhcp-option=tag:{tag},option:router" + (f",{subnet.gateway}" if subnet.gateway else ""),
        f"dhcp-option=tag:{tag},option:dns-server" + "".join(f",{ip}" for ip in subnet.dns),
        f"dhcp-option=tag:{tag},option:mtu,{mtu}",
        f"dhcp-option=tag:{tag},option:classless-static-route,{flat}",
        *elsewhere,
    ]


def _is_stale(words: list[str], owner: dict[str, str]) -> bool:
    """A lease line is: expiry, MAC, address, name, client id. DHCPv6 has its own lines, which carry no MAC."""
    return len(words) == 5 and ":" in words[1] and owner.get(words[2], "").lower() != words[1].lower()


def _user(folder: Path) -> str:
    """Somebody without rights who can read the files; root where a folder above shuts everybody else out."""
    if any(not parent.stat().st_mode & 0o001 for parent in (folder, *folder.parents)):
        return "root"
    for name in ("dnsmasq", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    return "root"


def _write(place: Path, text: str) -> bool:
    """Write it in one piece; False when it was so already."""
    try:
        if place.read_text() == text:
            return False
    except OSError:
        pass
    fresh = place.with_name(place.name + ".new")
    fresh.write_text(text)
    fresh.chmod(0o644)
    fresh.replace(place)
    return True


def _find(conf: str) -> set[int]:
    """Every process that runs with this configuration, also one whose pid file is gone."""
    return {entry for entry in _pids() if _is_ours(entry, conf)}


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _is_ours(pid: int, conf: str) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return f"--conf-file={conf}".encode() in words


def _reload(pid: int) -> bool:
    """Have it read its hosts again; False when it has just ended."""
    try:
        os.kill(pid, signal.SIGHUP)
    except ProcessLookupError:
        return False
    return True


def _end(pid: int) -> None:
    """TERM, and KILL when it does not listen."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        until = time.monotonic() + _STOP_LIMIT_S
        while time.monotonic() < until:
            try:
                if not Path(f"/proc/{pid}/cmdline").read_bytes():
                    return  # a zombie: it has ended, and is waited for by another
            except OSError:
                return
            time.sleep(0.005)


def end_any_in(namespace: str) -> None:
    """End every dnsmasq in a namespace, also one whose files were lost."""
    for pid in namespaces.processes(namespace):
        try:
            program = Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            continue
        if program == "dnsmasq":
            _end(pid)
