"""The checker: plans broken on purpose are found, sound ones pass."""

from typing import Any

import pytest

from aifactory_solver.check import check
from aifactory_solver.problem import Wrong
from unit.solver.brute import empty
from unit.solver.build import World
from unit.solver.halls import ROW_1, ROW_2, site

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


def test_a_spread_pool_of_nothing_holds_nothing_either() -> None:
    made = site().pool("p", 0, spread=2, over="hall").stands("p", ROW_1, 1).stands("p", ROW_2, 1)
    assert made.broken(p=0) == []
    assert made.broken() == ["wish: pool 0 (priority 0) ends with 2 units, 2 above its wish of 0"]
