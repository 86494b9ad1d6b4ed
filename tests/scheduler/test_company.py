"""Server groups and hints, as the scheduler minds them."""

from kilonova.model.host import Host
from kilonova.model.ids import HostName, NodeName, ServerId
from kilonova.model.server_group import ServerGroup
from kilonova.scheduler import Need, choose, for_owner
from kilonova.scheduler.company import ANYWHERE, Company, of_group, together


def host(name: str, used: int = 0) -> Host:
    return Host(
        name=HostName(name), node=NodeName(name), id=name, service_id=name, hypervisor_type="s", hypervisor_version=1,
        host_ip="", cpu_info="{}", vcpus=8, ram_mb=1000, disk_gb=100, vcpus_used=0, ram_mb_used=used, disk_gb_used=0,
        servers=0, availability_zone="nova", enabled=True, disabled_reason=None, created_at=0.0, last_seen=0.0, up=True,
    )  # fmt: skip


HOSTS = [host("a"), host("b", 100), host("c", 200)]


def chosen(company: Company) -> str | None:
    found = choose(Need(vcpus=1, ram_mb=10, disk_gb=1, company=company), HOSTS).host
    return None if found is None else found.name


def a_group(policy: str, **rules: int) -> ServerGroup:
    return ServerGroup(id="g", project_id="p", user_id="u", name="g", policy=policy, rules=rules, members=(ServerId("s"),))


def test_affinity_keeps_to_the_hosts_of_the_members() -> None:
    assert chosen(of_group(a_group("affinity"), {"c": 1})) == "c"
    assert chosen(of_group(a_group("affinity"), {})) == "a", "the first goes anywhere"
    assert chosen(of_group(a_group("affinity"), {"gone": 1})) is None


def test_anti_affinity_keeps_away_from_full_hosts() -> None:
    assert chosen(of_group(a_group("anti-affinity"), {"a": 1, "b": 1})) == "c"
    assert chosen(of_group(a_group("anti-affinity", max_server_per_host=2), {"a": 1, "b": 2})) == "a"
    company = of_group(a_group("anti-affinity"), {"a": 1, "b": 1, "c": 1})
    need = Need(vcpus=1, ram_mb=10, disk_gb=1, company=company)
    assert "server group" in for_owner(need, choose(need, HOSTS))


def test_soft_policies_only_prefer() -> None:
    assert chosen(of_group(a_group("soft-affinity"), {"b": 2, "c": 1})) == "b"
    assert chosen(of_group(a_group("soft-anti-affinity"), {"a": 1})) == "b"
    assert chosen(of_group(a_group("soft-anti-affinity"), {"a": 1, "b": 1, "c": 1})) == "a", "where it must break, it breaks"


def test_both_at_once() -> None:
    both = together(Company(only=frozenset("ab")), Company(only=frozenset("bc"), never=frozenset("a")))
    assert chosen(both) == "b"
    assert together(ANYWHERE, ANYWHERE) == ANYWHERE
    assert chosen(together(Company(only=frozenset("a")), Company(never=frozenset("a")))) is None
