"""The scheduler as properties: it never chooses a host that does not fit, explains every refusal, and keeps hosts' names."""

import re

from hypothesis import given
from hypothesis import strategies as st

from kilonova.model.host import Host
from kilonova.model.ids import HostName, NodeName
from kilonova.scheduler import Choice, Need, choose, for_admin, for_owner
from kilonova.scheduler.choose import FILTERS, Ratios

ZONES = st.sampled_from(["nova", "east", "west"])
SMALL = st.integers(0, 64)


@st.composite
def a_host(draw: st.DrawFn, name: str) -> Host:
    return Host(
        name=HostName(name),
        node=NodeName(f"node-of-{name}"),
        id=name,
        service_id=name,
        hypervisor_type="simulated",
        hypervisor_version=1,
        host_ip="127.0.0.1",
        cpu_info="{}",
        vcpus=draw(SMALL),
        ram_mb=draw(SMALL),
        disk_gb=draw(SMALL),
        vcpus_used=draw(SMALL),
        ram_mb_used=draw(SMALL),
        disk_gb_used=draw(SMALL),
        servers=draw(st.integers(0, 3)),
        availability_zone=draw(ZONES),
        enabled=draw(st.booleans()),
        disabled_reason=None,
        created_at=0.0,
        last_seen=0.0,
        up=draw(st.booleans()),
    )


@st.composite
def some_hosts(draw: st.DrawFn) -> list[Host]:
    return [draw(a_host(f"secret-{number}")) for number in range(draw(st.integers(0, 6)))]


@st.composite
def a_need(draw: st.DrawFn) -> Need:
    names = st.sampled_from([f"secret-{number}" for number in range(7)])
    return Need(
        vcpus=draw(st.integers(1, 64)),
        ram_mb=draw(st.integers(1, 64)),
        disk_gb=draw(SMALL),
        zone=draw(st.none() | ZONES),
        host=draw(st.none() | names),
        tried=draw(st.frozensets(names, max_size=3)),
        ratios=Ratios(cpu=draw(st.sampled_from([1.0, 4.0])), ram=draw(st.sampled_from([1.0, 1.5])), disk=1.0),
    )


def fits(need: Need, host: Host) -> bool:
    """Said once more, in other words than the filters'."""
    room = (
        host.vcpus_used + need.vcpus <= host.vcpus * need.ratios.cpu
        and host.ram_mb_used + need.ram_mb <= host.ram_mb * need.ratios.ram
        and host.disk_gb_used + need.disk_gb <= host.disk_gb * need.ratios.disk
    )
    wanted = need.host in (None, host.name) and need.zone in (None, host.availability_zone) and host.name not in need.tried
    return room and wanted and host.up and host.enabled


@given(a_need(), some_hosts())
def test_it_chooses_a_fitting_host_exactly_when_there_is_one(need: Need, hosts: list[Host]) -> None:
    choice = choose(need, hosts)
    fitting = [host for host in hosts if fits(need, host)]
    assert (choice.host is not None) == bool(fitting)
    assert choice.host is None or choice.host in fitting


@given(a_need(), some_hosts())
def test_it_chooses_the_emptiest(need: Need, hosts: list[Host]) -> None:
    choice = choose(need, hosts)
    if choice.host is not None:
        used = choice.host.ram_mb_used / choice.host.ram_mb
        assert all(used <= host.ram_mb_used / host.ram_mb for host in hosts if fits(need, host))


@given(a_need(), some_hosts())
def test_it_says_of_every_host_that_does_not_fit_why(need: Need, hosts: list[Host]) -> None:
    choice = choose(need, hosts)
    assert set(choice.refused) == {host.name for host in hosts if not fits(need, host)}
    assert set(choice.refused.values()) <= {reason for reason, _ in FILTERS}
    for host in hosts:
        if host.name in choice.refused:
            applies = dict(FILTERS)[choice.refused[host.name]]
            assert applies(need, host)


@given(a_need(), some_hosts())
def test_the_order_of_hosts_does_not_matter(need: Need, hosts: list[Host]) -> None:
    assert choose(need, hosts) == choose(need, hosts[::-1])


@given(a_need(), some_hosts())
def test_it_counts_every_host_for_the_owner_and_names_none(need: Need, hosts: list[Host]) -> None:
    choice = choose(need, hosts)
    if choice.host is None:
        said = for_owner(need, choice)
        assert "secret" not in said
        assert said.startswith("No valid host was found.")
        assert sum(int(n) for n in re.findall(r"(\d+) hosts?:", said)) == len(hosts)


@given(a_need(), some_hosts())
def test_an_admin_is_told_every_name(need: Need, hosts: list[Host]) -> None:
    said = for_admin(choose(need, hosts))
    assert set(re.findall(r"secret-\d", said)) == {host.name for host in hosts if not fits(need, host)}


@given(a_need(), some_hosts())
def test_what_it_says_would_fit_does_fit(need: Need, hosts: list[Host]) -> None:
    """One limit at a time: with as much memory as the hint says, memory is no longer the reason everywhere."""
    choice = choose(need, hosts)
    hint = re.search(r"at most (\d+) MB of memory", for_owner(need, choice)) if choice.host is None else None
    if hint:
        smaller = Need(
            vcpus=need.vcpus,
            ram_mb=int(hint[1]),
            disk_gb=need.disk_gb,
            zone=need.zone,
            host=need.host,
            tried=need.tried,
            ratios=need.ratios,
        )
        refused = choose(smaller, hosts).refused
        near = [name for name, reason in choice.refused.items() if reason == "not enough memory"]
        assert any(refused.get(name) != "not enough memory" for name in near) or not near


def test_a_cloud_without_hosts_says_so() -> None:
    need = Need(vcpus=1, ram_mb=1, disk_gb=1)
    assert for_owner(need, choose(need, [])) == "No valid host was found. The cloud has no hosts yet."


def test_owners_read_how_many_and_why() -> None:
    choice = Choice(
        host=None, refused={"a": "not enough memory", "b": "not enough memory", "c": "wrong zone"}, largest_ram_mb=12288
    )
    assert for_owner(Need(vcpus=1, ram_mb=16384, disk_gb=1), choice) == (
        "No valid host was found. 2 hosts: not enough memory; 1 host: wrong zone. It would fit with at most 12288 MB of memory."
    )
