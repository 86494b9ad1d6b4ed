"""What QEMU is told about a wire."""

import os

import pytest
from msgspec.structs import replace

from kilonova.drivers.hypervisor.plugs import PlugsByKind, TapPlugs, UserPlugs
from kilonova.errors import BuildFailed
from kilonova.model.port import Wire
from tests.drivers.builds import placed, wired


def wire(ip: str = "10.0.0.5", cidr: str = "10.0.0.0/24", gateway: str | None = "10.0.0.1", **known: object) -> Wire:
    (one,) = wired(placed(), ()).wires
    address = replace(one.addresses[0], ip=ip, cidr=cidr, gateway=gateway)
    return replace(one, addresses=(address,), **known)


def options(netdev: str) -> dict[str, str]:
    return dict(part.partition("=")[::2] for part in netdev.split(","))


def test_the_guest_gets_its_own_address() -> None:
    said = options(UserPlugs().open(wire(ssh_port=2222)).netdev)
    assert said["net"] == "10.0.0.0/24"
    assert (said["dhcpstart"], said["host"]) == ("10.0.0.5", "10.0.0.1")
    assert said["hostfwd"] == "tcp:127.0.0.1:2222-:22"
    assert said["restrict"] == "off"
    assert "hostfwd" not in options(UserPlugs().open(wire()).netdev)


@pytest.mark.parametrize(
    ("ip", "cidr", "gateway"),
    [("10.0.0.3", "10.0.0.0/24", "10.0.0.1"), ("10.0.0.1", "10.0.0.0/24", "10.0.0.1"), ("10.0.0.2", "10.0.0.0/29", None)],
)
def test_the_three_addresses_differ(ip: str, cidr: str, gateway: str | None) -> None:
    said = options(UserPlugs().open(wire(ip, cidr, gateway)).netdev)
    assert said["dhcpstart"] == ip
    assert len({said["dhcpstart"], said["host"], said["dns"]}) == 3


def test_what_user_networking_cannot_do() -> None:
    with pytest.raises(BuildFailed, match="too small"):
        UserPlugs().open(wire("10.0.0.1", "10.0.0.0/30", "10.0.0.2"))
    with pytest.raises(BuildFailed, match="IPv4"):
        UserPlugs().open(wire("fd00::5", "fd00::/64", "fd00::1"))


def test_a_tap_is_opened_and_closed() -> None:
    asked: list[Wire] = []

    def open_tap(one: Wire) -> int:
        asked.append(one)
        return os.open("/dev/null", os.O_RDWR)

    one = wire(kind="tap", bridge="br0")
    end = PlugsByKind({"tap": TapPlugs(open_tap)}).open(one)
    assert asked == [one]
    assert end.netdev == f"tap,fd={end.fds[0]},vhost=off"
    end.close()
    with pytest.raises(OSError):
        os.fstat(end.fds[0])


def test_a_tap_that_cannot_be_opened_and_a_kind_nobody_knows() -> None:
    def broken(_: Wire) -> int:
        raise PermissionError("secret path")

    with pytest.raises(BuildFailed) as error:
        TapPlugs(broken).open(wire(kind="tap"))
    assert "secret" not in str(error.value)
    with pytest.raises(BuildFailed):
        PlugsByKind({}).open(wire())
