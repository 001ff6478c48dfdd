"""What a soak says of the looks that it took at a process."""

import pytest

from bench.live.soak import Look, faults

REST = Look(100, 10, 20)


def looks(*megabytes: float) -> list[Look]:
    return [Look(it, 30, 40) for it in megabytes]


@pytest.mark.parametrize(
    "some",
    [
        looks(100),
        looks(50, 100, 100, 100),
        looks(50, 100, 300, 104),
        looks(100, 100, 100, 100, 100, 100, 100, 105),
    ],
    ids=["one look", "it begins small", "it was larger between", "a little more"],
)
def test_a_process_that_stays_as_it_is_has_no_fault(some: list[Look]) -> None:
    assert faults(REST, some, REST) == []


def test_memory_that_grows_is_a_fault() -> None:
    (fault,) = faults(REST, looks(*range(100, 200)), REST)
    assert "memory grew" in fault


@pytest.mark.parametrize(("name", "after"), [("threads", Look(100, 11, 20)), ("files", Look(100, 10, 21))])
def test_what_is_left_over_is_a_fault(name: str, after: Look) -> None:
    (fault,) = faults(REST, looks(100), after)
    assert name in fault
    assert faults(REST, looks(100), Look(900, 9, 19)) == []  # less is none
