"""What DHCP tells one guest besides what it tells all, by a real dnsmasq, over a real wire."""

import asyncio
from collections.abc import Callable

import pytest

from kilonova.drivers.network.dhcp import hosts_text, options_text
from kilonova.drivers.network.layout import members_of
from kilonova.model.ids import ServerId
from kilonova.model.port import Wire
from tests.drivers.network.conftest import Make
from tests.drivers.network.guest import Guest, a_port

OPTIONS = (("tftp-server", "10.0.0.9", 4), ("67", "pxelinux.0", 4), ("no-such-option", "x", 4))


def test_the_lines_of_one_port() -> None:
    with_more, plain = members_of([a_port(5, dhcp_options=(*OPTIONS, ("dns-server", "[fd00::9]", 6))), a_port(6)])
    assert f"{with_more.mac},set:{with_more.tap},10.0.0.5\n" in hosts_text([with_more, plain])
    assert f"{plain.mac},10.0.0.6\n" in hosts_text([with_more, plain])
    tag = f"tag:{with_more.tap}"
    assert options_text([with_more, plain]) == (
        f"{tag},option:tftp-server,10.0.0.9\n{tag},67,pxelinux.0\n{tag},option:no-such-option,x\n{tag},option6:dns-server,[fd00::9]\n"
    )


def test_no_option_is_a_line_of_its_own() -> None:
    (member,) = members_of([a_port(5, dhcp_options=(("67", "x\ndhcp-script=/bin/sh", 4), ("a\nb", "x", 4)))])
    assert member.options == () and options_text([member]) == ""


@pytest.mark.root
async def test_only_this_guest_is_told(network: Make, plug: Callable[[Wire], Guest]) -> None:
    node = network()
    await node.restore()
    first = await node.wire(ServerId("one"), (a_port(5, dhcp_options=OPTIONS),), {})
    second = await node.wire(ServerId("two"), (a_port(6),), {})
    one, other = plug(first[0]), plug(second[0])
    lease = await asyncio.to_thread(one.dhcp)
    assert lease is not None
    assert [lease.options[number].rstrip(b"\0") for number in (66, 67)] == [b"10.0.0.9", b"pxelinux.0"]
    lease = await asyncio.to_thread(other.dhcp)
    assert lease is not None and not {66, 67} & set(lease.options)
