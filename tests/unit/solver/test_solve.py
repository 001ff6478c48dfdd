"""The solver, by its rules: random hard worlds for what must always hold, small ones for who gets what."""

from dataclasses import replace
from typing import Any

import array_api_strict
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aifactory_solver.check import check, validate, violations
from aifactory_solver.check.facts import Facts
from aifactory_solver.problem import Ints, Problem, Solution, Topology
from unit.solver.build import World, solved
from unit.solver.shrink import in_words, shrunk
from unit.solver.worlds import PRIORITIES, Knobs, afterwards, hard, world, worlds

some = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
HARD_WORLDS = 50  # in each of eight batches


def same(one: Solution, other: Solution) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(vars(one).values(), vars(other).values(), strict=True))


# What always holds


@pytest.mark.parametrize("batch", range(8))
def test_hard_worlds_get_sound_calm_plans(batch: int) -> None:
    """A failing world is printed as small as it gets. More of them: raise HARD_WORLDS."""
    for seed in range(batch * HARD_WORLDS, (batch + 1) * HARD_WORLDS):
        problem = hard(seed) if seed % 4 else hard(seed, pools=35, factories=4)
        if faults(problem):
            small = shrunk(problem, lambda candidate: bool(faults(candidate)), seconds=30)
            pytest.fail(f"seed {seed}:\n{in_words(small)}\n" + "\n".join(faults(small)))


@some
@given(worlds())
def test_every_plan_passes_the_check(problem: Problem) -> None:
    check(problem, solved(problem))


@pytest.mark.parametrize("priorities", PRIORITIES)
@pytest.mark.parametrize("tightness", [0.4, 0.8, 1.2])
def test_a_world_of_a_hundred_pools_passes_the_check(priorities: str, tightness: float) -> None:
    shape = Knobs(4, 7, 3, 100, priorities=priorities, tightness=tightness)
    for seed in range(3):
        problem = world(shape, seed)
        check(problem, solved(problem))


@some
@given(worlds())
def test_the_same_world_gives_the_same_plan_and_stays_as_it_is(problem: Problem) -> None:
    for array in vars(problem).values():
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    assert same(solved(problem), solved(problem))


@some
@given(worlds())
def test_the_strict_array_namespace_gives_the_same_plan(problem: Problem) -> None:
    assert same(solved(problem), solved(problem, array_api_strict))


def faults(problem: Problem) -> list[str]:
    """What is wrong with the plan: by the check; given up in vain; not settled when it is carried out."""
    plan = solved(problem)
    found = violations(problem, plan)
    pools = [pool for pool in range(problem.pools) if _could_have_stayed(problem, plan, pool)]
    found += [f"pool {pool} gave up units that could have stayed" for pool in pools]
    settled = afterwards(problem, plan)
    validate(settled)
    again = solved(settled)
    if not np.array_equal(again.kept, settled.row_units):
        found.append(
            f"carried out, of {settled.row_units.tolist()} units only {again.kept.tolist()} are kept"
        )
    if again.new_units.size:
        found.append(f"carried out, {again.new_units.tolist()} more units are ordered")
    return found


def _could_have_stayed(problem: Problem, plan: Solution, pool: int) -> bool:
    """Whether a pool that others took from would fit back as it stood, which was at least as much."""
    facts = Facts(problem, plan)
    rows = problem.row_pool == pool
    lost = np.where(rows, problem.row_units - plan.kept, 0)
    to_go = problem.uprooted[pool] and facts.stood_gpus[pool] < facts.minimum[pool]  # whole, or re-placed
    by_itself = to_go or problem.changed[pool] or facts.stood_units[pool] > facts.wish_units[pool]
    better_off = facts.end_gpus[pool] > facts.stood_gpus[pool]
    if by_itself or better_off or not np.any(lost) or np.any(problem.row_leave[rows]):
        return False
    others = plan.new_pool != pool
    back = Facts(
        problem,
        Solution(plan.kept + lost, plan.new_pool[others], plan.new_cell[others], plan.new_units[others]),
    )
    under = np.zeros(problem.domains, np.bool_)
    for domain in np.unique(problem.cell_domain[problem.row_cell[lost > 0]]).tolist():
        under[list(back.tree.chain(domain))] = True
    return bool(np.all(back.used <= problem.cell_units) and np.all((back.load <= problem.limit)[under]))


@some
@given(worlds(changes=("watts", "locked")), st.integers(0, 2**32 - 1))
def test_as_limits_fall_the_excess_only_falls(problem: Problem, seed: int) -> None:
    rng = np.random.default_rng(seed)
    before = Facts(problem, Solution(problem.row_units, *(np.zeros(0, np.int64),) * 3)).load
    for _ in range(4):
        share = rng.choice((0.5, 0.8, 1.0), problem.domains)
        problem = replace(problem, limit=(problem.limit * share).astype(np.int64))
        plan = solved(problem)
        check(problem, plan)
        load = Facts(problem, plan).load
        assert np.all(load <= np.maximum(problem.limit, before))
        problem, before = afterwards(problem, plan), load


@some
@given(worlds(changes=()))
def test_a_fleet_under_its_limits_is_left_alone_but_for_preemption(problem: Problem) -> None:
    plan = solved(replace(problem, preemptible=np.zeros(problem.pools, np.bool_)))
    assert np.array_equal(plan.kept, problem.row_units)


# Who is served


def hall(watts: int, slots: int = 100) -> World:
    """Factory a, with a limit."""
    return World().factory("a", watts).slots("a", slots)


def two_halls(first: int = 100, second: int = 100, factory: int = 1000) -> World:
    """Factory a with two halls, each with a limit and a hundred slots."""
    made = World().factory("a", factory).domain("a/hall-1", first).domain("a/hall-2", second)
    return made.slots("a/hall-1", 100).slots("a/hall-2", 100)


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


def taken_from(high: int, watts: int, **low: dict[str, Any]) -> World:
    """A full factory, and a pool of higher priority that asks for room; `holds` is what each low one has."""
    made = hall(watts)
    for name, spec in low.items():
        fields = dict(spec)
        holds = fields.pop("holds")
        made.pool(name, **{"gpus": holds, "priority": 1, "preemptible": True, **fields}).stands(
            name, "a", holds
        )
    return made.pool("high", high, priority=9)


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


def test_a_changed_pool_moves_when_the_new_place_fits_and_not_before() -> None:
    made = World().factory("a", 5).factory("b", 4).slots("a", 9).slots("b", 9)
    made.pool("p", 5, changed=True, factories=("b",)).stands("p", "a", 5, fits=False)
    assert made.solve().holds("p") == {"a": 5}
    assert made.factory("b", 5).solve().holds("p") == {"b": 5}


def test_what_a_factory_changed_moves_nobody() -> None:
    made = World().factory("a", 5).factory("b", 5).slots("a", 9).slots("b", 9)
    made.pool("p", 5, factories=("b",)).stands("p", "a", 5, fits=False)
    assert made.solve().holds("p") == {"a": 5}


# Spread


def places(*watts: int) -> World:
    """Factories a, b, c ... each with a limit."""
    made = World()
    for name, limit in zip("abcdef", watts, strict=False):
        made.factory(name, limit).slots(name, 100)
    return made


def test_a_spread_pool_is_split_evenly_enough() -> None:
    plan = places(50, 50, 50).pool("p", 7, spread=3).solve()
    assert sorted(plan.holds("p").values()) in ([1, 3, 3], [2, 2, 3])


def test_a_spread_pool_needs_its_places() -> None:
    assert places(50, 50).pool("p", 7, minimum=0, spread=3).solve().total("p") == 0
    assert places(50, 50, 1).pool("p", 3, spread=3).solve().holds("p") == {"a": 1, "b": 1, "c": 1}


def test_a_wish_for_fewer_units_than_places_never_fits() -> None:
    assert places(50, 50, 50).pool("p", 2, spread=3).solve().total("p") == 0


def test_the_minimum_of_a_spread_pool_is_a_unit_in_each_place() -> None:
    made = places(1, 1, 1).pool("p", 9, minimum=1, spread=3)
    assert made.solve().total("p") == 3


def test_numbers_that_no_split_allows_are_skipped() -> None:
    # Of at most 3, 3 and 1 units, 7 are 3 + 3 + 1, but 6 would need three times 2.
    assert places(3, 3, 1).pool("p", 7, minimum=3, spread=3).solve().total("p") == 7
    assert places(3, 3, 1).pool("p", 6, minimum=3, spread=3).solve().total("p") == 5
    assert places(2, 3, 1).pool("p", 9, minimum=3, spread=3).solve().total("p") == 5


def test_a_loss_does_not_shrink_a_spread_pool() -> None:
    made = places(50, 50).pool("p", 6, minimum=2, spread=2).stands("p", "a", 4)
    plan = made.solve()
    assert plan.kept("p") == {"a": 4}
    assert set(plan.new("p")) <= {"b"}
    made.factory("b", 0)
    assert made.solve().holds("p") == {"a": 4}


def test_domains_of_all_factories_count_as_places() -> None:
    made = World()
    for path in ("a/hall-1", "a/hall-2", "b/hall"):
        made.factory(path[0]).domain(path, 4).slots(path, 9)
    plan = made.pool("p", 12, spread=3, over="hall").solve()
    assert plan.holds("p") == {"a/hall-1": 4, "a/hall-2": 4, "b/hall": 4}


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
