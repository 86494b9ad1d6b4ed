"""Quotas: never one server too many, never one refused that fits, and a refusal that says which limit it is."""

from hypothesis import given
from hypothesis import strategies as st

from kilonova.model.quota import UNLIMITED, ComputeQuota, ComputeUsage, refuse, servers_that_fit

LIMIT = st.just(UNLIMITED) | st.integers(0, 30)
AMOUNT = st.integers(0, 30)
QUOTA = st.builds(ComputeQuota, instances=LIMIT, cores=LIMIT, ram=LIMIT)
USAGE = st.builds(ComputeUsage, instances=AMOUNT, cores=AMOUNT, ram=AMOUNT)


def room(quota: ComputeQuota, used: ComputeUsage, cores: int, ram: int, count: int) -> bool:
    """Said once more, the slow way. Nothing of a kind asked for is never too much of it."""
    asked = (
        (quota.instances, used.instances, count),
        (quota.cores, used.cores, cores * count),
        (quota.ram, used.ram, ram * count),
    )
    return all(limit == UNLIMITED or more == 0 or taken + more <= limit for limit, taken, more in asked)


@given(QUOTA, USAGE, AMOUNT, AMOUNT, st.integers(1, 12))
def test_as_many_as_fit_and_no_more(quota: ComputeQuota, used: ComputeUsage, cores: int, ram: int, wanted: int) -> None:
    count = servers_that_fit(quota, used, cores=cores, ram=ram, wanted=wanted)
    assert 0 <= count <= wanted
    assert room(quota, used, cores, ram, count)
    assert count == wanted or not room(quota, used, cores, ram, count + 1)


@given(QUOTA, USAGE, st.integers(1, 30), st.integers(1, 30), st.integers(1, 12))
def test_a_refusal_names_exactly_the_limits_in_the_way(
    quota: ComputeQuota, used: ComputeUsage, cores: int, ram: int, wanted: int
) -> None:
    if servers_that_fit(quota, used, cores=cores, ram=ram, wanted=wanted) < wanted:
        said = str(refuse(quota, used, cores=cores, ram=ram, wanted=wanted))
        for name, limit, taken, more in (
            ("instances", quota.instances, used.instances, wanted),
            ("cores", quota.cores, used.cores, cores * wanted),
            ("ram", quota.ram, used.ram, ram * wanted),
        ):
            over = limit != UNLIMITED and taken + more > limit
            assert (name in said.split(":")[0]) == over


def test_in_novas_words() -> None:
    error = refuse(ComputeQuota(instances=10), ComputeUsage(instances=10), cores=1, ram=512, wanted=1)
    assert str(error) == "Quota exceeded for instances: Requested 1, but already used 10 of 10 instances"
