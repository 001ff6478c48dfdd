"""The solver, by its rules: who is served, where, and who is taken from for it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from unit.solver.build import World
from unit.solver.halls import hall, taken_from, two_halls

some = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


# Who is served


def test_the_higher_priority_is_served_first() -> None:
    plan = hall(5).pool("low", 5, priority=1).pool("high", 5, priority=2).solve()
    assert plan.totals("low", "high") == [0, 5]


def test_a_lower_pool_that_fits_anyway_is_served() -> None:
    plan = hall(5).pool("low", 5, priority=1).pool("high", 6, priority=2).solve()
    assert plan.totals("low", "high") == [5, 0]


def test_minima_come_before_growth() -> None:
    plan = hall(10).pool("low", 5, priority=1).pool("high", 10, minimum=2, priority=2).solve()
    assert plan.totals("low", "high") == [5, 5]


def test_growth_goes_by_priority() -> None:
    made = hall(10).pool("low", 8, minimum=2, priority=1).pool("high", 8, minimum=2, priority=2)
    assert made.solve().totals("low", "high") == [2, 8]


def test_a_pool_without_minimum_is_all_growth() -> None:
    made = hall(6).pool("low", 5, priority=1).pool("high", 8, minimum=0, priority=2)
    assert made.solve().totals("low", "high") == [5, 1]


def test_nothing_below_the_minimum() -> None:
    assert hall(5).pool("p", 8, minimum=6).solve().total("p") == 0
    assert hall(6).pool("p", 8, minimum=6).solve().total("p") == 6


def test_a_wish_is_rounded_up_to_whole_units() -> None:
    made = World().factory("a").slots("a", 4, "rack").pool("p", 100, systems=("rack",))
    assert made.solve().holds("p") == {"a": 2}


def test_a_pool_of_nothing_holds_nothing() -> None:
    assert hall(5).pool("p", 0).stands("p", "a", 3).solve().total("p") == 0


def test_among_equals_the_older_is_served() -> None:
    made = hall(5).pool("young", 5, age=1).pool("old", 5, age=0)
    assert made.solve().totals("young", "old") == [0, 5]


def test_among_equals_who_stands_beats_who_waits() -> None:
    made = hall(5).pool("old", 5, age=0).pool("young", 5, age=1, preemptible=True).stands("young", "a", 5)
    assert made.solve().totals("old", "young") == [0, 5]


@pytest.mark.parametrize("purpose", ["DataProcessing", "Training", "Inference"])
def test_purpose_gives_no_right_to_be_served(purpose: str) -> None:
    made = hall(5).pool("old", 5, age=0, purpose=purpose).pool("young", 5, age=1, purpose="Inference")
    assert made.solve().totals("old", "young") == [5, 0]


def test_a_pool_larger_than_the_world_waits_alone() -> None:
    made = hall(5).pool("giant", 10**9, priority=9).pool("p", 5)
    assert made.solve().totals("giant", "p") == [0, 5]


def test_thousands_of_priorities_are_thousands_of_ranks() -> None:
    made = hall(1000, slots=5000)
    order = np.random.default_rng(1).permutation(2000).tolist()
    for rank in order:
        made.pool(f"p{rank}", 1, priority=rank - 1000)
    plan = made.solve()
    assert sorted(np.asarray(order)[plan.solution.new_pool].tolist()) == list(range(1000, 2000))


def test_priorities_use_their_whole_range() -> None:
    made = hall(2)
    for number, priority in enumerate((-(2**31), 2**31 - 1, 0, 2**31 - 2, -(2**31) + 1)):
        made.pool(f"p{number}", 1, priority=priority)
    assert made.solve().totals("p0", "p1", "p2", "p3", "p4") == [0, 1, 0, 1, 0]


def test_many_pools_alike_are_served_by_age() -> None:
    made = hall(601, slots=5000)
    ages = np.random.default_rng(2).permutation(1000).tolist()
    for age in ages:
        made.pool(f"p{age}", 2, age=age)
    plan = made.solve()
    assert sorted(np.asarray(ages)[plan.solution.new_pool].tolist()) == list(range(300))


def test_room_of_leaving_units_is_planned_for() -> None:
    made = World().domain("a", 5, leaving=5).slots("a", 5, leaving=5).pool("p", 5)
    assert made.solve().total("p") == 5


def test_fixed_load_is_not() -> None:
    made = World().domain("a", 5, fixed=1).slots("a", 5).pool("p", 5, minimum=1)
    assert made.solve().total("p") == 4


# Where


def test_the_better_listed_system_is_taken() -> None:
    made = World().factory("a").slots("a", 9, "one").slots("a", 9, "two")
    made.pool("p", 4, systems=("two", "one")).pool("q", 4, systems=("one", "two"))
    plan = made.solve()
    assert plan.totals("p", "q") == [2, 4]


def test_the_second_system_is_taken_where_the_first_is_full() -> None:
    made = World().factory("a").slots("a", 3, "one").slots("a", 9, "two").pool("p", 4, systems=("one", "two"))
    assert made.solve().total("p") == 2


def test_nothing_moves_to_a_better_listed_system() -> None:
    made = World().factory("a").slots("a", 9, "one").slots("a", 9, "two")
    made.pool("p", 4, systems=("two", "one")).stands("p", "a", 4, "one")
    assert made.solve().kept("p") == {"a": 4}


def test_the_cheaper_factory_is_taken_then_the_cleaner() -> None:
    made = World().factory("a").factory("b").factory("c")
    made.slots("a", 9, cost=3, carbon=1).slots("b", 9, cost=2, carbon=9).slots("c", 9, cost=2, carbon=5)
    assert made.pool("p", 4).solve().holds("p") == {"c": 4}


def test_a_pool_stands_only_where_its_spec_allows() -> None:
    made = World().factory("a").factory("b").slots("a", 9).slots("b", 3).pool("p", 4, factories=("b",))
    assert made.solve().total("p") == 0


def test_a_fabric_packs_what_a_row_does_not() -> None:
    made = World().factory("a").domain("a/hall").domain("a/hall/row")
    made.slots("a/hall/row", 3).slots("a/hall/row", 3, "two", fabric="a/hall").slots("a/hall", 2, "two")
    made.pool("p", 4, pack="fabric").pool("q", 10, pack="fabric", systems=("two",))
    assert made.solve().totals("p", "q") == [0, 5]


def test_two_fabrics_on_one_row_do_not_make_one() -> None:
    made = World().factory("a").domain("a/hall").domain("a/hall/row", 5)
    made.slots("a/hall/row", 3).slots("a/hall/row", 3, fabric="a/hall")
    made.pool("p", 4, pack="fabric", priority=1).pool("q", 3, pack="fabric").pool("r", 2, pack="fabric")
    assert made.solve().totals("p", "q", "r") == [0, 3, 2]


@pytest.mark.parametrize(("pack", "held"), [(None, 8), ("factory", 6), ("hall", 3)])
def test_a_packed_pool_stays_in_one_group(pack: str | None, held: int) -> None:
    made = World().factory("a").factory("b", 2).slots("b", 9)
    for path in ("a/hall-1", "a/hall-2"):
        made.domain(path, 3).slots(path, 9)
    assert made.pool("p", 20, minimum=1, pack=pack).solve().total("p") == held


# Preemption


def test_the_lowest_priority_is_taken_first() -> None:
    made = taken_from(5, 10, upper={"holds": 5, "priority": 2}, lower={"holds": 5, "priority": 1})
    assert made.solve().totals("upper", "lower", "high") == [5, 0, 5]


def test_growth_is_taken_before_minima() -> None:
    made = taken_from(5, 12, firm={"holds": 5}, elastic={"holds": 7, "minimum": 2})
    assert made.solve().totals("firm", "elastic", "high") == [5, 2, 5]


def test_growth_of_a_higher_pool_is_taken_before_the_minimum_of_a_lower_one() -> None:
    made = taken_from(5, 12, firm={"holds": 5}, elastic={"holds": 7, "minimum": 2, "priority": 2})
    assert made.solve().totals("firm", "elastic", "high") == [5, 2, 5]


def test_the_fewest_gpus_are_taken() -> None:
    made = taken_from(3, 9, small={"holds": 3}, large={"holds": 6})
    assert made.solve().totals("small", "large", "high") == [0, 6, 3]


def test_one_pool_is_taken_instead_of_two() -> None:
    made = taken_from(4, 9, tiny={"holds": 2}, fitting={"holds": 4}, other={"holds": 3})
    assert made.solve().totals("tiny", "fitting", "other", "high") == [2, 0, 3, 4]


def test_the_youngest_is_taken() -> None:
    made = taken_from(
        3, 9, middle={"holds": 3, "age": 5}, young={"holds": 3, "age": 7}, old={"holds": 3, "age": 0}
    )
    made.pools["high"].age = 9
    assert made.solve().totals("middle", "young", "old", "high") == [3, 0, 3, 3]


@pytest.mark.parametrize("low", [{"preemptible": False}, {"priority": 9}, {"priority": 10}])
def test_who_may_not_be_taken_from_stays(low: dict[str, Any]) -> None:
    made = taken_from(5, 5, low={"holds": 5, **low})
    assert made.solve().totals("low", "high") == [5, 0]


def test_growth_preempts_nobody() -> None:
    made = hall(10).pool("low", 5, priority=1, preemptible=True).pool("high", 9, minimum=5, priority=2)
    made.stands("low", "a", 5)
    assert made.solve().totals("low", "high") == [5, 5]


def test_a_lower_pool_does_not_take_a_higher_pools_growth() -> None:
    made = hall(8).pool("low", 5, priority=1).pool("high", 8, minimum=2, priority=2, preemptible=True)
    made.stands("high", "a", 8)
    assert made.solve().totals("low", "high") == [0, 8]


def test_nobody_is_taken_from_where_it_would_not_suffice() -> None:
    made = taken_from(6, 8, low={"holds": 5}, firm={"holds": 3, "preemptible": False})
    assert made.solve().totals("low", "firm", "high") == [5, 3, 0]


def test_nobody_is_taken_from_where_there_is_free_room() -> None:
    made = two_halls(5, 5).pool("low", 5, priority=1, preemptible=True).stands("low", "a/hall-1", 5)
    plan = made.pool("high", 5, priority=2).solve()
    assert (plan.kept("low"), plan.new("high")) == ({"a/hall-1": 5}, {"a/hall-2": 5})


def test_who_is_taken_from_finds_free_room_elsewhere() -> None:
    made = World().factory("a").domain("a/hall-1", 5).domain("a/hall-2", 10)
    made.slots("a/hall-1", 9, "two", watts=1).slots("a/hall-2", 20, "one")
    made.pool("low", 10, priority=1, preemptible=True, systems=("two", "one")).stands("low", "a/hall-1", 5)
    plan = made.pool("high", 10, priority=2, systems=("two",)).solve()
    assert (plan.holds("low"), plan.holds("high")) == ({"a/hall-2": 10}, {"a/hall-1": 5})
