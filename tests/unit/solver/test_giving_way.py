"""The solver, by its rules: who gives way when limits fall, and what pools do of their own will."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from aifactory_solver.problem import Ints, Solution, Topology
from aifactory_solver.strict.plain import solve
from aifactory_solver.strict.sharing import Sharing
from unit.solver.build import World
from unit.solver.halls import hall, taken_from, two_halls
from unit.solver.worlds import hard

some = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


# Shedding


def shed(watts: int, **pools: dict[str, Any]) -> World:
    """A factory whose limit fell below what these pools hold."""
    made = hall(watts)
    for name, spec in pools.items():
        fields = dict(spec)
        holds = fields.pop("holds")
        made.pool(name, **{"gpus": holds, **fields}).stands(name, "a", holds)
    return made


@pytest.mark.parametrize("preemptible", [True, False])
def test_the_lowest_priority_is_shed_first_preemptible_or_not(preemptible: bool) -> None:
    made = shed(
        5,
        high={"holds": 5, "priority": 2, "preemptible": True},
        low={"holds": 5, "priority": 1, "preemptible": preemptible},
    )
    assert made.solve().totals("high", "low") == [5, 0]


def test_among_equals_data_processing_gives_way_before_training_before_inference() -> None:
    equals = {
        purpose: {"holds": 5, "purpose": purpose} for purpose in ("Inference", "DataProcessing", "Training")
    }
    assert shed(10, **equals).solve().totals(*equals) == [5, 0, 5]
    assert shed(5, **equals).solve().totals(*equals) == [5, 0, 0]


def test_among_equals_of_one_purpose_the_younger_gives_way() -> None:
    made = shed(10, middle={"holds": 5, "age": 1}, young={"holds": 5, "age": 2}, old={"holds": 5, "age": 0})
    assert made.solve().totals("middle", "young", "old") == [5, 0, 5]


def test_what_fits_again_where_it_stood_does_not_move() -> None:
    """The higher pool leaves the hall, and the lower one finds room there for half of what it lost."""
    made = World().factory("a").domain("a/hall-1", 2).domain("a/hall-2", 3).domain("a/hall-3", 10)
    made.slots("a/hall-1", 10, is_open=False).slots("a/hall-2", 10).slots("a/hall-3", 10)
    made.pool("high", 3, priority=2, pack="hall").stands("high", "a/hall-1", 3)
    made.pool("low", 4, minimum=1, priority=1).stands("low", "a/hall-1", 4)
    plan = made.solve()
    assert plan.holds("high") == {"a/hall-2": 3}
    assert plan.holds("low") == {"a/hall-1": 2, "a/hall-3": 2}


def test_a_pool_below_its_minimum_stays_as_it_stood_once_an_equal_went_whole() -> None:
    """The older keeps what fits first, but one unit is no minimum; it goes, and the other fits again."""
    made = shed(1, older={"holds": 2}).pool("younger", 2).stands("younger", "a", 1)
    assert made.solve().totals("older", "younger") == [0, 1]


def test_a_pool_below_its_minimum_stays_as_it_stood_before_a_lower_one_gets_the_room() -> None:
    made = shed(5, whole={"holds": 8, "age": 0}, half={"holds": 4, "gpus": 8, "age": 1})
    made.pool("late", 4, priority=-1)
    assert made.solve().totals("whole", "half", "late") == [0, 4, 0]


def test_a_spread_pool_with_too_small_a_wish_stays_as_it_stood_once_another_went_whole() -> None:
    made = World().factory("a", 1).domain("a/hall-1").domain("a/hall-2")
    made.slots("a/hall-1", 2).slots("a/hall-2", 1)
    made.pool("above", 2, priority=2).stands("above", "a/hall-1", 2)
    made.pool("spread", 1, priority=1, spread=2, over="hall").stands("spread", "a/hall-2", 1)
    assert made.solve().totals("above", "spread") == [0, 1]


def test_moving_is_the_mildest() -> None:
    made = two_halls(8, 6).pool("low", 6, minimum=2, priority=1).pool("high", 5, priority=2)
    plan = made.stands("low", "a/hall-1", 6).stands("high", "a/hall-1", 5).solve()
    assert (plan.kept("high"), plan.total("low")) == ({"a/hall-1": 5}, 6)
    made.pools["low"].topology, made.pools["low"].level = Topology.DOMAIN, "hall"
    plan = made.solve()
    assert (plan.kept("high"), plan.holds("low")) == ({"a/hall-1": 5}, {"a/hall-2": 6})


def test_shrinking_is_the_next_mildest() -> None:
    made = shed(8, low={"holds": 6, "minimum": 2, "priority": 1}, high={"holds": 5, "priority": 2})
    assert made.solve().totals("low", "high") == [3, 5]


def test_going_whole_is_the_last() -> None:
    made = shed(8, low={"holds": 6, "minimum": 4, "priority": 1}, high={"holds": 5, "priority": 2})
    assert made.solve().totals("low", "high") == [0, 5]


def test_a_lower_pool_goes_whole_before_a_higher_one_shrinks() -> None:
    made = shed(
        7, low={"holds": 5, "minimum": 4, "priority": 1}, high={"holds": 5, "minimum": 2, "priority": 2}
    )
    assert made.solve().totals("low", "high") == [0, 5]


def test_a_pool_in_two_halls_gives_way_only_where_it_must() -> None:
    made = two_halls(2, 5).pool("p", 10, minimum=4).stands("p", "a/hall-1", 5).stands("p", "a/hall-2", 5)
    assert made.solve().holds("p") == {"a/hall-1": 2, "a/hall-2": 5}


def test_outside_the_exceeded_domain_only_preemption_makes_room() -> None:
    made = two_halls(0, 5).pool("high", 5, priority=2).pool("low", 5, priority=1)
    made.stands("high", "a/hall-1", 5).stands("low", "a/hall-2", 5)
    assert made.solve().totals("high", "low") == [0, 5]
    made.pools["low"].preemptible = True
    assert made.solve().totals("high", "low") == [5, 0]


def test_a_limit_of_nothing_empties_the_domain() -> None:
    made = shed(0, p={"holds": 5, "minimum": 1}, q={"holds": 1})
    assert made.solve().totals("p", "q") == [0, 0]


def test_a_rise_of_stamped_watts_acts_like_a_lowered_limit() -> None:
    made = hall(10).pool("high", 5, priority=2).pool("low", 5, priority=1)
    made.stands("high", "a", 5, watts=2).stands("low", "a", 5)
    assert made.solve().totals("high", "low") == [5, 0]


# Draining


def test_the_highest_priority_chooses_its_new_place_first() -> None:
    made = World().factory("a").factory("b", 5).slots("a", 10, is_open=False).slots("b", 9)
    made.pool("low", 5, priority=1).pool("high", 5, priority=2)
    made.stands("low", "a", 5, leave=True).stands("high", "a", 5, leave=True)
    assert made.solve().totals("low", "high") == [0, 5]


@pytest.mark.parametrize(("preemptible", "served"), [(False, [5, 0]), (True, [0, 5])])
def test_a_displaced_pool_preempts_like_a_waiting_one(preemptible: bool, served: list[int]) -> None:
    made = World().factory("a").factory("b", 5).slots("a", 10, is_open=False).slots("b", 9)
    made.pool("low", 5, priority=1, preemptible=preemptible).pool("high", 5, priority=2)
    made.stands("low", "b", 5).stands("high", "a", 5, leave=True)
    assert made.solve().totals("low", "high") == served


def test_a_unit_out_of_service_is_replaced() -> None:
    made = hall(100, slots=6).pool("p", 4).stands("p", "a", 3).stands("p", "a", 1, leave=True)
    plan = made.solve()
    assert (plan.kept("p"), plan.new("p")) == ({"a": 3}, {"a": 1})


# Pauses


def test_a_paused_pool_keeps_what_it_holds_and_orders_nothing() -> None:
    made = hall(100).pool("p", 9, minimum=6, frozen=True).stands("p", "a", 4).pool("q", 3, frozen=True)
    made.pool("more", 2, frozen=True).stands("more", "a", 5)
    plan = made.solve()
    assert plan.totals("p", "q", "more") == [4, 0, 5]


def test_nobody_is_moved_for_a_paused_pool() -> None:
    made = taken_from(5, 5, low={"holds": 5})
    made.pools["high"].frozen = True
    assert made.solve().totals("low", "high") == [5, 0]


def test_a_paused_pool_can_be_preempted_and_shed() -> None:
    assert taken_from(5, 5, low={"holds": 5, "frozen": True}).solve().totals("low", "high") == [0, 5]
    made = shed(5, low={"holds": 5, "frozen": True, "priority": 1}, high={"holds": 5, "priority": 2})
    assert made.solve().totals("low", "high") == [0, 5]


def test_a_paused_factory_is_left_alone_above_its_limit_too() -> None:
    made = World().factory("a", 5).slots("a", 100, is_open=False)
    made.pool("low", 5, priority=1, preemptible=True).pool("high", 5, priority=2).pool("waits", 5, priority=3)
    made.stands("low", "a", 5, locked=True, leave=True).stands("high", "a", 5, locked=True)
    assert made.solve().totals("low", "high", "waits") == [5, 5, 0]


# Own wishes


def test_a_pool_grows_where_it_stands_and_asks_again_for_what_it_lost() -> None:
    made = two_halls(5, 9).pool("p", 5, pack="hall").stands("p", "a/hall-1", 3)
    plan = made.solve()
    assert (plan.kept("p"), plan.new("p")) == ({"a/hall-1": 3}, {"a/hall-1": 2})


def test_a_pool_whose_minimum_rose_keeps_what_it_has_until_that_fits() -> None:
    assert hall(5).pool("p", 8).stands("p", "a", 4).solve().total("p") == 4
    assert hall(8).pool("p", 8).stands("p", "a", 4).solve().total("p") == 8


def test_a_pool_that_wishes_less_gives_back() -> None:
    plan = hall(9).pool("p", 3).stands("p", "a", 7).solve()
    assert (plan.kept("p"), plan.new("p")) == ({"a": 3}, {})


# Nothing at all


def test_worlds_of_nothing() -> None:
    for made in (World(), World().factory("a"), World().factory("a").slots("a", 3), hall(0)):
        assert made.solve().solution.new_units.size == 0
    assert World().pool("p", 3).solve().total("p") == 0
    assert hall(9).pool("p", 3, systems=()).solve().total("p") == 0


def test_an_answer_is_int64_in_order_and_never_of_nothing() -> None:
    solution = hall(9).pool("p", 3).pool("q", 4).solve().solution
    arrays: list[Ints] = list(vars(solution).values())
    assert {array.dtype for array in arrays} == {np.dtype(np.int64)}
    assert np.all(solution.new_units > 0)


def test_a_spread_pool_with_fewer_units_than_places_is_below_its_minimum_whatever_their_size() -> None:
    """One unit of two GPUs carries its two, but not in two places: it may take what it needs to stand so."""
    made = World().factory("a").factory("b")
    made.slots("a", 1, "two").slots("a", 1).slots("b", 1)
    made.pool("low", 1, minimum=0, preemptible=True).stands("low", "b", 1)
    made.pool("spread", 2, priority=9, changed=True, spread=2)
    made.stands("spread", "a", 1, "two", fits=False)
    plan = made.solve()
    assert plan.holds("spread") == {"a": 1, "b": 1}
    assert plan.total("low") == 0


def test_a_spread_pool_gives_nothing_back_where_locked_units_leave_no_other_split() -> None:
    """Two locked units in one of three places, one in each other: its wish of three has no split."""
    made = World().factory("a").factory("b")
    for path, slots in (("a/hall-1", 1), ("a/hall-2", 1), ("b/hall", 2)):
        made.domain(path).slots(path, slots)
    made.pool("p", 3, minimum=0, spread=3, over="hall")
    made.stands("p", "a/hall-1", 1).stands("p", "a/hall-2", 1).stands("p", "b/hall", 2, locked=True)
    assert made.solve().total("p") == 4


# Who goes in whose stead


def test_a_large_pool_goes_in_the_stead_of_two_that_are_more_than_it() -> None:
    made = taken_from(5, 11, large={"holds": 5}, middle={"holds": 4}, small={"holds": 2})
    assert made.solve().totals("large", "middle", "small", "high") == [0, 4, 2, 5]


def test_orders_that_are_not_tried_would_have_changed_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    known, skipped = Sharing._alike, 0

    def counted(*args: Any) -> bool:
        nonlocal skipped
        alike = known(*args)
        skipped += alike
        return alike

    def solved(alike: Any) -> list[Solution]:
        monkeypatch.setattr(Sharing, "_alike", alike)
        return [solve(hard(seed, pools=40)) for seed in range(120)]

    for one, other in zip(solved(counted), solved(lambda *_: False), strict=True):
        assert all(
            np.array_equal(a, b) for a, b in zip(vars(one).values(), vars(other).values(), strict=True)
        )
    assert skipped > 20
