"""The checker: nobody waits who could be served, and who gives way does so in order."""

from typing import Any

import pytest

from aifactory_solver.problem import Topology
from unit.solver.build import World
from unit.solver.halls import ROW_1, ROW_2, halls, mixed, site


def test_a_free_room_miss_is_found() -> None:
    made = site(a=9).pool("old", 5).stands("old", ROW_1, 5).pool("p", 4)
    assert made.broken() == [
        "free room: pool 1 (priority 0) ends with 0 of 4 GPUs, which would fit on system 0"
    ]
    made.domain("a", 8)
    assert made.broken() == []


def test_a_minimum_that_rose_is_completed_where_the_pool_stands() -> None:
    made = halls().pool("p", 6, pack="hall").stands("p", "a/hall-1/row-1", 4)
    assert made.broken() == [
        "free room: pool 0 (priority 0) ends with 4 of 6 GPUs, which would fit on system 0"
    ]
    made.domain("a/hall-1", 5)  # and elsewhere it may not go: nothing says that it may move
    assert made.broken() == []
    made.pools["p"].changed = True
    assert made.broken() == [
        "free room: pool 0 (priority 0) ends with 4 of 6 GPUs, which would fit on system 0"
    ]


def test_a_changed_pool_may_count_on_its_own_room() -> None:
    made = site(a=9, a_hall1=4).pool("p", 9, changed=True).stands("p", ROW_1, 4)
    assert made.broken() == [
        "free room: pool 0 (priority 0) ends with 4 of 9 GPUs, which would fit on system 0"
    ]
    made.domain("a", 8)
    assert made.broken() == []


def test_an_inversion_is_found() -> None:
    made = site(a=10).pool("low", 6, priority=1, preemptible=True).stands("low", ROW_1, 6)
    made.pool("high", 8, priority=2)
    assert made.broken() == [
        "inversion: pool 1 (priority 2) ends with 0 of 8 GPUs, which would fit on system 0 "
        "once pools of lower priority give way"
    ]


@pytest.mark.parametrize("low", [{"preemptible": False}, {"priority": 2}, {"priority": 3}])
def test_who_may_not_be_taken_from_is_no_inversion(low: dict[str, Any]) -> None:
    made = site(a=10).pool("low", 6, **{"priority": 1, "preemptible": True, **low}).stands("low", ROW_1, 6)
    assert made.pool("high", 8, priority=2).broken() == []


def test_a_locked_row_is_no_inversion() -> None:
    made = site(a=10).pool("low", 6, priority=1, preemptible=True).stands("low", ROW_1, 6, locked=True)
    assert made.pool("high", 8, priority=2).broken() == []


def test_new_units_of_a_lower_pool_are_an_inversion() -> None:
    made = site(a=10).pool("low", 6, priority=1).pool("high", 8, priority=2)
    assert [line.split(":")[0] for line in made.broken({"low": {ROW_1: 6}})] == ["inversion"]


def test_new_growth_of_a_lower_pool_is_an_inversion() -> None:
    made = (
        site(a=10).pool("low", 6, minimum=2, priority=1).stands("low", ROW_1, 2).pool("high", 8, priority=2)
    )
    assert [line.split(":")[0] for line in made.broken({"low": {ROW_2: 4}})] == ["inversion"]


def test_a_changed_pools_new_place_is_no_inversion() -> None:
    made = site(a=10).pool("low", 6, priority=1, changed=True).stands("low", ROW_1, 6)
    assert made.pool("high", 8, priority=2).broken({"low": {ROW_2: 6}}, low=0) == []
    made.pools["low"].preemptible = True
    assert [line.split(":")[0] for line in made.broken({"low": {ROW_2: 6}}, low=0)] == ["inversion"]


def test_what_a_changed_pool_had_above_its_minimum_stands_in_its_new_place_too() -> None:
    made = site(a=9).pool("low", 6, minimum=0, priority=1, changed=True).stands("low", ROW_1, 5)
    made.pool("high", 8, priority=2)
    assert made.broken({"low": {ROW_2: 5}}, low=0) == []
    made.pools["high"].gpus = made.pools["high"].minimum = 4
    assert [line.split(":")[0] for line in made.broken({"low": {ROW_2: 6}}, low=0)] == ["inversion"]


def test_topology_counts_in_what_would_fit() -> None:
    made = site(a_hall1=5, a_hall2=5).pool("p", 6, pack="hall")
    assert made.broken() == []
    made.pools["p"].topology, made.pools["p"].level = Topology.NONE, None
    assert made.broken() == [
        "free room: pool 0 (priority 0) ends with 0 of 6 GPUs, which would fit on system 0"
    ]


def test_a_fabric_of_a_row_does_not_count_for_that_of_its_hall() -> None:
    made = World().factory("a").domain("a/hall").domain("a/hall/row", 9)
    made.slots("a/hall/row", 4).slots("a/hall", 4, fabric="a/hall").pool("p", 5, pack="fabric")
    assert made.broken() == []
    made.cells[0].fabric = "a/hall"
    assert made.broken() == [
        "free room: pool 0 (priority 0) ends with 0 of 5 GPUs, which would fit on system 0"
    ]


def test_a_spread_pool_of_fewer_units_than_places_never_fits() -> None:
    assert halls().pool("p", 2, spread=3, over="hall").broken() == []
    assert halls().pool("p", 3, spread=3, over="hall").broken() == [
        "free room: pool 0 (priority 0) ends with 0 of 3 GPUs, which would fit on system 0"
    ]


def test_the_second_system_counts_too() -> None:
    made = mixed().pool("p", 18, systems=("one", "two"), factories=("a",))
    assert made.broken() == [
        "free room: pool 0 (priority 0) ends with 0 of 18 GPUs, which would fit on system 1"
    ]


# 9: nothing is taken in vain, and sheds go in order


def test_nobody_is_preempted_in_a_factory_where_nobody_gains() -> None:
    made = World().factory("a", 6).factory("b", 8).slots("a", 9).slots("b", 9)
    made.pool("low", 6, priority=1, preemptible=True).pool("high", 8, priority=2).stands("low", "a", 6)
    assert made.broken({"high": {"b": 8}}, low=0) == [
        "in vain: pool 0 (priority 1) is preempted in factories [0], where nobody above it gains",
        "free room: pool 0 (priority 1) ends with 0 of 6 GPUs, which would fit on system 0",
    ]


def test_a_higher_pool_is_not_shed_before_a_lower_one() -> None:
    made = site(a=6).pool("low", 5, priority=1).pool("high", 5, priority=2)
    made.stands("low", ROW_1, 5).stands("high", ROW_2, 5)
    assert made.broken(low=0) == []
    assert made.broken(high=0) == [
        "shed order: pool 1 (priority 2) falls from 5 to 0 GPUs under the exceeded limits of domains [0], "
        "where pools of lower priority keep what would suffice"
    ]


def test_a_higher_pool_is_shed_where_the_lower_one_would_not_suffice() -> None:
    made = site(a=4).pool("low", 3, priority=1).pool("high", 5, priority=2)
    made.stands("low", ROW_1, 3).stands("high", ROW_2, 5)
    assert made.broken(high=0) == []


def test_who_was_preempted_was_not_shed() -> None:
    # The lowest gave up what the limit asked for; the rest is not preemptible, so the middle one makes room.
    made = site(a=4).pool("low", 3, minimum=0, priority=1).pool("middle", 2, priority=2, preemptible=True)
    made.pool("high", 2, priority=3).stands("low", ROW_1, 3).stands("middle", ROW_1, 2)
    assert made.broken({"high": {ROW_2: 2}}, low=2, middle=0) == []


def test_nobody_is_shed_who_would_still_fit() -> None:
    made = site(a=6).pool("low", 2, priority=1, frozen=True).pool("high", 5, priority=2)
    made.stands("low", ROW_1, 2).stands("high", ROW_2, 5)
    assert made.broken(low=0) == []
    assert made.broken(low=0, high=0) == [
        "free room: pool 1 (priority 2) ends with 0 of 5 GPUs, which would fit on system 0",
        "in vain: pool 0 (priority 1) falls from 2 to 0 GPUs under the exceeded limits of domains [0], "
        "though all it had would still fit",
        "in vain: pool 1 (priority 2) falls from 5 to 0 GPUs under the exceeded limits of domains [0], "
        "though all it had would still fit",
    ]
