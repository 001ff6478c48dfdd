"""The checker: plans broken on purpose are found, sound ones pass, and its counting is exact."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aifactory_solver.check import check, validate, violations
from aifactory_solver.check.facts import Facts
from aifactory_solver.check.room import Room, fits
from aifactory_solver.problem import Problem, Solution, Topology, Wrong
from unit.solver.brute import Brute, by_priority, empty, items
from unit.solver.build import World
from unit.solver.worlds import knobs, world, worlds

# One row of ten slots in one hall of one factory, and a second hall with its own.


def site(**limits: int) -> World:
    """Factory a with two halls of one row each, ten slots a row; limits by name, dashes as underscores."""
    made = World()
    for path in ("a", "a/hall-1", "a/hall-2", "a/hall-1/row", "a/hall-2/row"):
        made.domain(path, limits.get(path.replace("/", "_").replace("-", ""), 100))
    return made.slots("a/hall-1/row", 10, fabric="a/hall-1").slots("a/hall-2/row", 10, fabric="a/hall-2")


ROW_1, ROW_2 = "a/hall-1/row", "a/hall-2/row"


# Sound plans


def test_a_sound_plan_passes() -> None:
    made = site(a=12).pool("old", 6).stands("old", ROW_1, 6).pool("new", 6)
    check(made.problem(), made.plan({"new": {ROW_2: 6}}))


def test_an_empty_world_passes() -> None:
    problem = World().problem()
    check(problem, empty(problem))


def test_all_that_is_wrong_is_in_one_message() -> None:
    made = site(a=5).pool("p", 30).pool("q", 1)
    with pytest.raises(Wrong) as caught:
        check(made.problem(), made.plan({"p": {ROW_1: 10, ROW_2: 11}}))
    rules = [line.split(":")[0] for line in str(caught.value).splitlines()]
    assert rules == ["slots", "power", "all or nothing"]


def test_a_message_stays_readable() -> None:
    made = World().factory("a").slots("a", 0)
    for number in range(30):
        made.pool(f"p{number}", 1, frozen=True)
    with pytest.raises(Wrong) as caught:
        check(made.problem(), made.plan({f"p{number}": {"a": 1} for number in range(30)}))
    lines = str(caught.value).splitlines()
    assert (len(lines), lines[0], lines[-1]) == (
        21,
        "slots: cell 0 holds 30 units, 30 above its 0",
        "and 11 more",
    )


# 1 and 2: slots and power


def test_slots_are_kept() -> None:
    made = site().pool("old", 4).stands("old", ROW_1, 4).pool("new", 7)
    assert made.broken({"new": {ROW_1: 7}}) == ["slots: cell 0 holds 11 units, 1 above its 10"]


def test_room_of_leaving_units_may_be_planned_for() -> None:
    made = World().domain("a", 10, leaving=10).slots("a", 10, leaving=10).pool("new", 10)
    assert made.broken({"new": {"a": 10}}) == []


def test_a_closed_cell_gets_nothing_new() -> None:
    made = World().factory("a").slots("a", 9, is_open=False).pool("new", 2)
    assert made.broken({"new": {"a": 2}}) == [
        "closed: pool 0 (priority 0) gets 2 new units in cell 0, which is closed"
    ]


@pytest.mark.parametrize("domain", ["a", "a_hall1", "a_hall1_row"])
def test_power_is_kept_at_every_level(domain: str) -> None:
    made = site(**{domain: 7}).pool("new", 9, minimum=0)
    number = {"a": 0, "a_hall1": 1, "a_hall1_row": 3}[domain]
    assert made.broken({"new": {ROW_1: 9}}) == [
        f"power: domain {number} carries 9 W, 2 W above its limit of 7 W, 9 W new and 0 W that could go"
    ]


def test_power_counts_what_stands_at_its_own_watts_and_what_is_fixed() -> None:
    made = World().domain("a", 20, fixed=3).slots("a", 10).pool("old", 4).pool("new", 2)
    made.stands("old", "a", 4, watts=4)
    assert made.broken({"new": {"a": 2}}) == [
        "power: domain 0 carries 21 W, 1 W above its limit of 20 W, 2 W new and 16 W that could go"
    ]


def test_an_exceeded_domain_keeps_nothing_that_could_go() -> None:
    made = World().domain("a", 2, fixed=3).slots("a", 10).pool("old", 4).stands("old", "a", 4)
    assert made.broken(old=0) == []
    assert made.broken() == [
        "power: domain 0 carries 7 W, 5 W above its limit of 2 W, 0 W new and 4 W that could go"
    ]


def test_an_exceeded_domain_may_keep_what_is_locked() -> None:
    made = World().domain("a", 2).slots("a", 10, is_open=False).pool("old", 5)
    made.stands("old", "a", 4, locked=True)
    assert made.broken() == []
    made.stands("old", "a", 1)
    assert made.broken() == [
        "power: domain 0 carries 5 W, 3 W above its limit of 2 W, 0 W new and 1 W that could go"
    ]


# 3: locked and leaving rows


def test_what_is_locked_stays() -> None:
    made = World().domain("a", 2).slots("a", 10).pool("old", 4).stands("old", "a", 4, locked=True)
    assert "locked: row 0 keeps 3 of 4 units, must keep all" in made.broken(old=3)


def test_what_has_to_leave_goes() -> None:
    made = site().pool("old", 4, minimum=2).stands("old", ROW_1, 4, leave=True)
    assert "leave: row 0 keeps 2 units, must keep none" in made.broken(old=2)
    assert made.broken({"old": {ROW_2: 4}}, old=0) == []


def test_what_has_to_leave_and_is_locked_stays() -> None:
    made = World().factory("a").slots("a", 10).pool("old", 4)
    made.stands("old", "a", 4, leave=True, locked=True)
    assert made.broken() == []


# 4: who may be touched


def test_nothing_is_touched_without_reason() -> None:
    made = site().pool("old", 4, minimum=2, preemptible=True).stands("old", ROW_1, 4)
    assert made.broken(old=2) == ["calm: pool 0 (priority 0) keeps 2 of 4 units, and nothing says why"]


def test_nothing_is_moved_to_a_better_place() -> None:
    made = site().pool("old", 4).stands("old", ROW_1, 4, fits=False)
    assert made.broken({"old": {ROW_2: 4}}, old=0) == [
        "calm: pool 0 (priority 0) keeps 0 of 4 units, and nothing says why"
    ]


def test_a_pool_under_an_exceeded_limit_may_move() -> None:
    made = site(a_hall1=3).pool("old", 4).stands("old", ROW_1, 4)
    assert made.broken({"old": {ROW_2: 4}}, old=0) == []


def test_a_limit_that_leaving_rows_relieve_is_no_reason() -> None:
    made = site(a_hall1=4).pool("gone", 4).pool("old", 4)
    made.stands("gone", ROW_1, 4, leave=True).stands("old", ROW_1, 4)
    assert made.broken({"gone": {ROW_2: 4}}, gone=0) == []
    assert made.broken({"gone": {ROW_2: 4}, "old": {ROW_2: 4}}, gone=0, old=0) == [
        "calm: pool 1 (priority 0) keeps 0 of 4 units, and nothing says why"
    ]


def test_a_changed_pool_may_move_but_keeps_its_place_until_the_new_one_fits() -> None:
    made = site().pool("old", 8, minimum=4, changed=True).stands("old", ROW_1, 6)
    assert made.broken({"old": {ROW_2: 8}}, old=0) == []
    assert made.broken(old=5) == [
        "calm: pool 0 (priority 0) keeps 5 of 6 units, 1 fewer than the 6 that its own spec leaves it"
    ]
    assert made.broken({"old": {ROW_2: 3}}, old=0) == [
        "all or nothing: pool 0 (priority 0) ends with 3 GPUs, 1 below its minimum of 4, and stood with 6",
        "calm: pool 0 (priority 0) keeps 0 of 6 units, and its own move gives it 3 of 4 GPUs",
        "free room: pool 0 (priority 0) ends with 3 of 4 GPUs, which would fit on system 0",
    ]


def test_a_paused_pool_does_not_move_by_its_own_spec() -> None:
    made = site().pool("old", 4, minimum=2, changed=True, frozen=True).stands("old", ROW_1, 4)
    assert made.broken(old=2) == ["calm: pool 0 (priority 0) keeps 2 of 4 units, and nothing says why"]


def test_a_pool_gives_back_what_is_above_its_wish_and_no_more() -> None:
    made = site().pool("old", 4, minimum=2).stands("old", ROW_1, 6)
    assert made.broken(old=4) == []
    assert made.broken(old=3) == [
        "calm: pool 0 (priority 0) keeps 3 of 6 units, 1 fewer than the 4 that its own spec leaves it"
    ]
    assert made.broken() == ["wish: pool 0 (priority 0) ends with 6 units, 2 above its wish of 4"]


def test_a_paused_pool_keeps_what_is_above_its_wish() -> None:
    made = site().pool("old", 4, frozen=True).stands("old", ROW_1, 6)
    assert made.broken() == []
    assert made.broken(old=4) == ["calm: pool 0 (priority 0) keeps 4 of 6 units, and nothing says why"]


def test_a_minimum_preempts_lower_preemptible_pools() -> None:
    made = site(a=10).pool("low", 6, priority=1, preemptible=True).pool("high", 8, priority=2)
    made.stands("low", ROW_1, 6)
    assert made.broken({"high": {ROW_2: 8}}, low=0) == []


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ({"priority": 2}, {}),  # an equal
        ({"priority": 3}, {}),  # a higher pool
        ({"priority": 1, "preemptible": False}, {}),
        ({"priority": 1}, {"minimum": 0}),  # growth
    ],
)
def test_preemption_needs_a_strictly_higher_minimum_and_a_preemptible_victim(
    low: dict[str, Any], high: dict[str, Any]
) -> None:
    made = site(a=10).pool("low", 6, **{"preemptible": True, **low}).pool("high", 8, priority=2, **high)
    made.stands("low", ROW_1, 6)
    lines = made.broken({"high": {ROW_2: 8}}, low=0)
    assert lines[0] == f"calm: pool 0 (priority {low['priority']}) keeps 0 of 6 units, and nothing says why"


def test_a_pool_that_already_has_its_minimum_does_not_preempt() -> None:
    made = site(a=10).pool("low", 6, priority=1, preemptible=True).pool("high", 8, minimum=4, priority=2)
    made.stands("low", ROW_1, 6).stands("high", ROW_2, 4)
    assert made.broken({"high": {ROW_2: 4}}, low=0)[0] == (
        "calm: pool 0 (priority 1) keeps 0 of 6 units, and nothing says why"
    )


def test_a_pool_that_was_preempted_preempts_in_its_turn() -> None:
    made = site(a_hall1=6, a_hall2=6)
    for name, priority in (("low", 1), ("middle", 2), ("high", 3)):
        made.pool(name, 6, priority=priority, preemptible=True)
    made.pools["high"].factories, made.pools["high"].age = ("a",), 9
    made.stands("low", ROW_2, 6).stands("middle", ROW_1, 6)
    assert made.broken({"high": {ROW_1: 6}, "middle": {ROW_2: 6}}, low=0, middle=0) == []


def test_a_paused_pool_gets_nothing_new() -> None:
    made = site().pool("p", 4, frozen=True)
    assert made.broken() == []
    assert made.broken({"p": {ROW_1: 4}}) == ["frozen: pool 0 (priority 0) is paused and gets 4 new units"]


# 5: all or nothing, and no more than the wish


def test_a_pool_gets_its_minimum_or_nothing() -> None:
    made = site(a=3).pool("p", 8, minimum=4)
    assert made.broken({"p": {ROW_1: 3}}) == [
        "all or nothing: pool 0 (priority 0) ends with 3 GPUs, 1 below its minimum of 4, and stood with 0"
    ]


def test_a_pool_that_lost_units_keeps_the_rest_as_it_is() -> None:
    made = site(a=4).pool("p", 8, minimum=6).stands("p", ROW_1, 3)
    assert made.broken() == []
    assert made.broken({"p": {ROW_1: 1}}) == [
        "all or nothing: pool 0 (priority 0) ends with 4 GPUs, 2 below its minimum of 6, and stood with 3"
    ]


def test_a_pool_below_its_minimum_does_not_lose_a_part() -> None:
    made = site(a=2).pool("p", 8, minimum=6).stands("p", ROW_1, 2).stands("p", ROW_2, 2)
    assert made.broken(p=[2, 0]) == [
        "all or nothing: pool 0 (priority 0) ends with 2 GPUs, 4 below its minimum of 6, and stood with 4"
    ]
    assert made.broken(p=0) == []


def test_only_locked_units_may_remain_of_a_pool() -> None:
    made = site(a=2).pool("p", 4).stands("p", ROW_1, 2, locked=True).stands("p", ROW_2, 2)
    assert made.broken(p=[2, 0]) == []


def test_whole_units_may_exceed_the_wish() -> None:
    made = World().factory("a").slots("a", 4, "rack").pool("p", 100, systems=("rack",))
    assert made.broken({"p": {"a": 2}}) == []
    assert made.broken({"p": {"a": 3}}) == [
        "wish: pool 0 (priority 0) ends with 3 units, 1 above its wish of 2"
    ]


def test_a_pool_of_nothing_holds_nothing() -> None:
    made = site().pool("p", 0).stands("p", ROW_1, 2)
    assert made.broken(p=0) == []
    assert made.broken(p=1) == ["wish: pool 0 (priority 0) ends with 1 units, 1 above its wish of 0"]


# 6 and 7: systems, factories, topology


def mixed() -> World:
    made = World().factory("a").factory("b")
    return made.slots("a", 9, "one").slots("a", 9, "two").slots("b", 9, "one")


def test_a_pool_ends_on_one_system() -> None:
    made = mixed().pool("p", 8, minimum=6, systems=("one", "two"))
    assert made.broken({"p": {"a one": 2, "a two": 2}}) == [
        "one system: pool 0 (priority 0) ends on systems [0, 1]"
    ]


def test_a_pool_does_not_grow_on_another_system_than_it_stands_on() -> None:
    made = mixed().pool("p", 8, minimum=2, systems=("one", "two")).stands("p", "a", 2)
    assert made.broken({"p": {"a two": 2}}) == ["one system: pool 0 (priority 0) ends on systems [0, 1]"]


def test_a_pool_gets_only_systems_that_it_lists() -> None:
    made = mixed().pool("p", 4, minimum=0, systems=("one",))
    assert made.broken({"p": {"a two": 2}}) == [
        "system: pool 0 (priority 0) gets 2 new units in cell 1 of system 1, and accepts [0]"
    ]


def test_a_pool_does_not_grow_on_a_system_that_it_no_longer_lists() -> None:
    made = mixed().pool("p", 4, minimum=2, systems=("two",)).stands("p", "a", 2, "one", fits=False)
    assert made.broken() == []
    assert made.broken({"p": {"a one": 2}}) == [
        "system: pool 0 (priority 0) gets 2 new units in cell 0 of system 0, and accepts [1]"
    ]


def test_a_pool_gets_only_factories_where_it_may_stand() -> None:
    made = mixed().pool("p", 4, minimum=0, factories=("b",))
    assert made.broken({"p": {"a": 4}}) == [
        "factory: pool 0 (priority 0) gets 4 new units in cell 0 in factory 0, where it may not stand"
    ]


def halls() -> World:
    """Two factories, two halls each, two rows a hall, four slots a row; one fabric a hall."""
    made = World()
    for factory in ("a", "b"):
        made.factory(factory)
        for hall in (f"{factory}/hall-1", f"{factory}/hall-2"):
            made.domain(hall)
            for row in (f"{hall}/row-1", f"{hall}/row-2"):
                made.domain(row).slots(row, 4, fabric=hall)
    return made


@pytest.mark.parametrize(
    ("pack", "near", "far"),
    [
        ("factory", "a/hall-2/row-1", "b/hall-1/row-1"),
        ("fabric", "a/hall-1/row-2", "a/hall-2/row-1"),
        ("hall", "a/hall-1/row-2", "a/hall-2/row-1"),
        ("hall/row", "a/hall-1/row-1", "a/hall-1/row-2"),
    ],
)
def test_a_packed_pool_stays_together(pack: str, near: str, far: str) -> None:
    made = halls().pool("p", 4, minimum=2, pack=pack).stands("p", "a/hall-1/row-1", 2)
    assert made.broken({"p": {near: 2}}) == []
    (line,) = made.broken({"p": {far: 2}})
    assert line.startswith("pack: pool 0 (priority 0) ends in 2 groups, 1 is allowed: 2 in domain ")


def test_a_packed_pool_needs_a_group() -> None:
    made = World().factory("a").slots("a", 4).slots("a", 4, "two", fabric=None)
    made.pool("p", 4, minimum=0, systems=("two",), pack="fabric").pool("q", 4, minimum=0, pack="hall")
    assert made.broken({"p": {"a": 2}, "q": {"a": 4}}) == [
        "pack: pool 0 (priority 0) ends with 2 units outside any group",
        "pack: pool 1 (priority 0) ends with 4 units outside any group",
    ]


def test_a_spread_pool_stands_in_enough_places() -> None:
    made = halls().pool("p", 4, minimum=0, spread=2)
    assert made.broken({"p": {"a/hall-1/row-1": 2, "b/hall-1/row-1": 2}}) == []
    assert made.broken({"p": {"a/hall-1/row-1": 2, "a/hall-2/row-1": 2}}) == [
        "spread: pool 0 (priority 0) ends in 1 places, 1 fewer than its 2",
        "spread: pool 0 (priority 0) ends with 4 of 4 units in the place of domain 0, 2 above its share of 2",
    ]


def test_a_spread_pool_keeps_the_share_of_each_place() -> None:
    made = halls().pool("p", 6, minimum=0, spread=3, over="hall")
    sound = {"a/hall-1/row-1": 2, "a/hall-2/row-1": 2, "b/hall-1/row-2": 2}
    assert made.broken({"p": sound}) == []
    assert made.broken({"p": {**sound, "a/hall-1/row-1": 3, "b/hall-1/row-2": 1}}) == [
        "spread: pool 0 (priority 0) ends with 3 of 6 units in the place of domain 1, 1 above its share of 2"
    ]


def test_a_place_that_a_loss_left_too_large_is_left_alone() -> None:
    made = halls().pool("p", 6, minimum=0, spread=2).stands("p", "a/hall-1/row-1", 4)
    assert made.broken() == []
    assert made.broken({"p": {"b/hall-1/row-1": 1}}) == []
    assert made.broken({"p": {"b/hall-1/row-1": 1, "a/hall-1/row-2": 1}}) == [
        "spread: pool 0 (priority 0) ends with 5 of 6 units in the place of domain 0, 2 above its share of 3"
    ]


def test_a_unit_outside_any_place_stays_but_not_beside_a_changed_pools_new_ones() -> None:
    made = (
        halls().slots("a", 1).pool("p", 3, minimum=0, spread=2, over="hall").stands("p", "a", 1, fits=False)
    )
    new = {"p": {"a/hall-1/row-1": 1, "b/hall-1/row-1": 1}}
    assert made.broken(new) == []
    made.pools["p"].changed = True
    assert made.broken(new) == ["spread: pool 0 (priority 0) ends with 1 units outside any place"]


def test_giving_back_keeps_the_spread() -> None:
    made = halls().pool("p", 4, minimum=2, spread=2)
    made.stands("p", "a/hall-1/row-1", 4).stands("p", "b/hall-1/row-1", 4)
    assert made.broken(p=[2, 2]) == []
    assert made.broken(p=[3, 1]) == [
        "spread: pool 0 (priority 0) ends with 3 of 4 units in the place of domain 0, 1 above its share of 2"
    ]
    assert "spread: pool 0 (priority 0) ends in 1 places, 1 fewer than its 2" in made.broken(p=[0, 4])


def test_giving_back_skips_numbers_that_no_split_allows() -> None:
    # Of 3, 3 and 1 over three places, 6 would need 2, 2 and 2; so 5 are left: 2, 2 and 1.
    made = halls().pool("p", 6, minimum=3, spread=3, over="hall")
    made.stands("p", "a/hall-1/row-1", 3).stands("p", "a/hall-2/row-1", 3).stands("p", "b/hall-1/row-1", 1)
    assert made.broken(p=[2, 2, 1]) == []
    assert made.broken(p=[2, 1, 1]) == [
        "calm: pool 0 (priority 0) keeps 4 of 7 units, 1 fewer than the 5 that its own spec leaves it"
    ]
    made.pools["p"].minimum = 6  # and here nothing is left to shrink to
    assert made.broken() == []


# 8: nobody waits who could be served


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


# Form


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        ({"kept": np.asarray([3])}, "form: kept has shape (1,), must have (2,)"),
        ({"kept": np.asarray([3.0, 2.0])}, "form: kept is float64, must be int64"),
        ({"kept": np.asarray([4, 2])}, "form: kept[0] is 4, must be at least 0, at most 3"),
        ({"kept": np.asarray([-1, 2])}, "form: kept[0] is -1, must be at least 0, at most 3"),
        ({"new_pool": np.asarray([2])}, "form: new_pool[0] is 2, must be at least 0, at most 1"),
        ({"new_cell": np.asarray([2])}, "form: new_cell[0] is 2, must be at least 0, at most 1"),
        ({"new_cell": np.asarray([-1])}, "form: new_cell[0] is -1, must be at least 0, at most 1"),
        ({"new_units": np.asarray([0])}, "form: new_units[0] is 0, must be at least 1"),
        ({"new_units": np.asarray([1, 1])}, "form: new_units has shape (2,), must have (1,)"),
        (
            {name: np.asarray([1, 1]) for name in ("new_pool", "new_cell", "new_units")},
            "form: pool 1 has 2 new placements in cell 1, at most 1 is allowed",
        ),
    ],
)
def test_a_misshapen_plan_is_refused(broken: dict[str, Any], line: str) -> None:
    made = site().pool("p", 3).pool("q", 3).stands("p", ROW_1, 3).stands("q", ROW_1, 2)
    plan = made.plan({"q": {ROW_2: 1}})
    assert made.broken({"q": {ROW_2: 1}}) == []
    assert violations(made.problem(), replace(plan, **broken)) == [line]


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        ({"parent": np.asarray([-1, 1, 0, 1, 2])}, "parent[1] is 1, must be at least -1, at most 0"),
        ({"limit": np.asarray([1, 2, 3, -4, 5])}, "limit[3] is -4, must be at least 0"),
        ({"limit": np.ones(5)}, "limit is float64, must be int64"),
        ({"level": np.asarray([-1, 0, 0, 1, -1])}, "domain 4 has level -1 and parent 2"),
        ({"level": np.asarray([-1, 0, 1, 1, 0])}, "domain 3 of level 1 is on level 0, not -1"),
        ({"factory": np.asarray([0, 0, 0, 0, 1])}, "factory[4] is 1, must be at least 0, at most 0"),
        ({"cell_fabric": np.asarray([1, 1])}, "cell 1 does not lie under its fabric 1"),
        (
            {"cell_watts": np.asarray([1, 2])},
            "cell 1 counts 2 W a unit, others of its system and factory 1 W",
        ),
        ({"cell_watts": np.asarray([0, 1])}, "cell_watts[0] is 0, must be at least 1"),
        ({"cell_units": np.asarray([2, 10])}, "cell 0 holds 3 units in 2 slots"),
        ({"cell_leaving": np.asarray([8, 0])}, "cell 0 holds 11 units in 10 slots"),
        ({"cell_leaving": np.asarray([0, 11])}, "cell_leaving[1] is 11, must be at least 0, at most 10"),
        ({"row_watts": np.asarray([0])}, "row_watts[0] is 0, must be at least 1"),
        ({"row_cell": np.asarray([2])}, "row_cell[0] is 2, must be at least 0, at most 1"),
        ({"row_units": np.asarray([0])}, "row_units[0] is 0, must be at least 1"),
        ({"minimum": np.asarray([4])}, "minimum[0] is 4, must be at least 0, at most 3"),
        (
            {"priority": np.asarray([2**31])},
            "priority[0] is 2147483648, must be at least -2147483648, at most 2147483647",
        ),
        ({"purpose": np.asarray([3])}, "purpose[0] is 3, must be at least 0, at most 2"),
        ({"spread": np.asarray([2])}, "pool 0 of topology 0 has spread 2"),
        ({"topology": np.asarray([3])}, "pool 0 of topology 3 has level -1"),
        ({"topology": np.asarray([6])}, "topology[0] is 6, must be at least 0, at most 5"),
        ({"systems": ((1,),)}, "pool 0 accepts systems (1,)"),
        ({"systems": ((0, 0),)}, "pool 0 accepts systems (0, 0)"),
        ({"systems": ()}, "systems has 0 entries, must have 1"),
        ({"allowed": np.ones((1, 2), np.bool_)}, "allowed has shape (1, 2), must have (1, 1)"),
        ({"frozen": np.zeros(1, np.int64)}, "frozen is int64, must be bool"),
    ],
)
def test_an_impossible_problem_is_refused(broken: dict[str, Any], line: str) -> None:
    problem = site().pool("p", 3).stands("p", ROW_1, 3).problem()
    with pytest.raises(Wrong) as caught:
        validate(replace(problem, **broken))
    assert f"problem: {line}" in str(caught.value).splitlines()


def test_a_row_counts_at_least_its_cells_watts_unless_that_is_closed() -> None:
    made = site().pool("p", 3)
    made.cells[0].watts = made.cells[1].watts = 5
    made.stands("p", ROW_1, 3, watts=4)
    with pytest.raises(Wrong, match="row 0 counts 4 W a unit, less than its cell 0"):
        made.problem()
    made.cells[0].open = False
    made.problem()


def test_two_pools_of_one_age_and_two_systems_under_one_pool_are_refused() -> None:
    with pytest.raises(Wrong, match="two pools have one age"):
        site().pool("p", 3).pool("q", 3, age=0).problem()
    made = mixed().pool("p", 3).stands("p", "a", 1).stands("p", "a", 1, "two")
    with pytest.raises(Wrong, match="row 0 stands on another system than other rows of pool 0"):
        made.problem()


# Counting, against trying everything


tiny = st.builds(
    lambda knobs, seed: world(replace(knobs, small_units=True, standing=0.0), seed),
    knobs(pools=6, factories=2, changes=("limits", "closed", "fixed")),
    st.integers(0, 2**32 - 1),
)


def shrunk(problem: Problem, rng: np.random.Generator, most_cells: int) -> Problem:
    """Few slots, small wishes and tight limits, so that everything can be tried."""
    keep = rng.permutation(problem.cells)[:most_cells]
    cells = {f.name: getattr(problem, f.name)[keep] for f in fields(problem) if f.name.startswith("cell_")}
    need = rng.integers(1, 8, problem.pools)
    minimum = np.minimum(rng.integers(0, 8, problem.pools), need)
    cells["cell_units"] = rng.integers(0, 4, keep.size)
    limit = np.minimum(problem.limit, rng.integers(0, 16, problem.domains))
    return replace(
        problem,
        need=need,
        minimum=minimum,
        limit=limit,
        system_gpus=np.ones_like(problem.system_gpus),
        **cells,
    )


@settings(max_examples=150, deadline=None)
@given(tiny, st.integers(0, 2**32 - 1))
def test_what_fits_is_what_trying_everything_finds(problem: Problem, seed: int) -> None:
    assume(problem.pools and problem.cells)
    rng = np.random.default_rng(seed)
    problem = shrunk(problem, rng, 6)
    validate(problem)
    facts = Facts(problem, empty(problem))
    free, left = problem.cell_units - rng.integers(0, 3, problem.cells), problem.limit - facts.fixed
    room, brute = Room(problem, facts.tree, free, left), Brute(problem, free.tolist(), left.tolist())
    for pool in range(problem.pools):
        for system in problem.systems[pool]:
            kept: dict[int, int] = {}
            usable = [c for c in brute.usable(pool, system) if brute.place(pool, c) >= 0]
            least = max(int(problem.minimum[pool]), int(problem.spread[pool]))
            if usable and rng.random() < 0.6:
                for cell in rng.choice(usable, int(rng.integers(1, 3))).tolist():
                    kept[cell] = kept.get(cell, 0) + int(rng.integers(1, 3))
            if sum(kept.values()) >= least:
                kept = {}
            found = fits(facts, room, pool, system, items(pool, kept))
            if least:
                assert found == (brute.first_way(pool, system, kept) is not None)


@settings(max_examples=100, deadline=None)
@given(tiny, st.integers(0, 2**32 - 1))
def test_a_plan_made_by_trying_everything_passes_and_one_pool_less_does_not(
    problem: Problem, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    problem = shrunk(problem, rng, 8)
    plan = by_priority(problem)
    check(problem, plan)
    if plan.new_pool.size:
        gone = rng.choice(plan.new_pool)
        stay = plan.new_pool != gone
        less = Solution(plan.kept, plan.new_pool[stay], plan.new_cell[stay], plan.new_units[stay])
        lines = violations(problem, less)
        assert any(line.startswith(f"free room: pool {gone} ") for line in lines)


@settings(max_examples=100, deadline=None)
@given(worlds())
def test_the_checker_answers_on_any_world_and_changes_nothing(problem: Problem) -> None:
    for array in vars(problem).values():
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    plan = empty(problem)
    assert violations(problem, plan) == violations(problem, plan)
