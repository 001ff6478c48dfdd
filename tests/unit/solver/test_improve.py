"""The solver itself: never worse than the plain one, exact where small, and as calm as its engine."""

import gc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from aifactory_solver import check, solve, solve_plainly
from aifactory_solver.exact import SMALL
from aifactory_solver.problem import Problem, Solution
from aifactory_solver.question import Plan
from aifactory_solver.relax.engine import Aim, Optimum
from aifactory_solver.relax.pdhg import pdhg
from aifactory_solver.relax.relaxation import Relaxation
from aifactory_solver.strict.guide import Guide
from aifactory_solver.strict.layout import Layout
from aifactory_solver.strict.plain import follow
from aifactory_solver.value import value
from thorough import sample
from unit.solver.brute import empty
from unit.solver.build import World
from unit.solver.draft import Knobs
from unit.solver.worlds import afterwards, hard, world, worlds

some = settings(max_examples=sample(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])


def same(one: Solution, other: Solution) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(vars(one).values(), vars(other).values(), strict=True))


@some
@given(worlds())
def test_every_plan_passes_the_check_and_is_no_worse_than_the_plain_one(problem: Problem) -> None:
    plan = solve(problem)
    check(problem, plan)
    assert not value(problem, solve_plainly(problem)) > value(problem, plan)


@pytest.mark.parametrize("batch", range(sample(4)))
def test_hard_worlds_settle(batch: int) -> None:
    """Carried out, a plan is kept as it is: nothing moves again, and nobody is evicted."""
    for seed in range(20 * batch, 20 * (batch + 1)):
        problem = hard(seed, pools=20, factories=4)
        plan = solve(problem)
        check(problem, plan)
        settled = afterwards(problem, plan)
        again = solve(settled)
        check(settled, again)
        now, then = value(settled, again), value(settled, empty(settled))
        assert same(again, solve(settled))
        # Nothing changes but to serve more.
        assert now.serves_more_than(then) or not now > then, seed


@settings(max_examples=10, deadline=None)
@given(worlds())
def test_any_engine_leads_to_a_sound_plan(problem: Problem) -> None:
    check(problem, solve(problem, engine=pdhg))


@pytest.mark.parametrize("seed", [3, 978])
def test_nothing_new_is_ordered_where_as_much_is_given_up(seed: int) -> None:
    """In the second an exact answer would do so. What has to leave may be followed by something new."""
    problem = hard(seed)
    plan = solve(problem)
    given_up = (plan.kept < problem.row_units) & ~problem.row_leave
    gone = set(zip(problem.row_pool[given_up].tolist(), problem.row_cell[given_up].tolist(), strict=True))
    assert gone.isdisjoint(zip(plan.new_pool.tolist(), plan.new_cell.tolist(), strict=True))


def test_flexible_pools_leave_the_scarce_system_to_those_that_need_it() -> None:
    """First come first served would put the older pool on its better-listed system, which the other needs."""
    made = World().factory("a").slots("a", 10, "one").slots("a", 10, "two")
    made.pool("flexible", 10, systems=("one", "two")).pool("bound", 10, systems=("one",))
    plan = made.solve(solve)
    assert plan.totals("flexible", "bound") == [5, 10]  # units of two GPUs, and of one


def test_the_relaxation_leads_where_an_exact_answer_is_out_of_reach() -> None:
    """The same, and of two factories one that the others need, thirty times over."""
    scarce = World()
    near, far = scarce.factory("near"), scarce.factory("far")
    for hall in range(30):
        near.domain(f"near/hall-{hall}").slots(f"near/hall-{hall}", 4, "one").slots(
            f"near/hall-{hall}", 2, "two"
        )
        far.domain(f"far/hall-{hall}").slots(f"far/hall-{hall}", 4, "one", cost=1)
    for k in range(30):
        scarce.pool(f"flexible-{k}", 4, systems=("one", "two"), factories=("near",))
        scarce.pool(f"anywhere-{k}", 4)
    for k in range(30):
        scarce.pool(f"bound-{k}", 4, factories=("near",))
    problem = scarce.problem()
    assert problem.pools * problem.cells > SMALL
    plain, led = (scarce.solve(solver) for solver in (solve_plainly, solve))
    assert sum(led.totals(*(f"bound-{k}" for k in range(30)))) == 120
    assert value(problem, led.solution) > value(problem, plain.solution)


def test_what_is_hard_to_place_is_placed_first_where_an_exact_answer_is_out_of_reach() -> None:
    """Best fit puts 3 with 2, so that neither 4 nor the other 3 leave a whole hall to the rock."""
    made = World()
    for k in range(30):
        made.factory(f"f{k}")
        for hall in range(3):
            made.domain(f"f{k}/hall-{hall}").slots(f"f{k}/hall-{hall}", 6)
        for priority, gpus in ((9, 3), (8, 2), (7, 4), (6, 3), (1, 6)):
            made.pool(f"p-{k}-{priority}", gpus, priority=priority, pack="hall", factories=(f"f{k}",))
    problem = made.problem()
    assert problem.pools * problem.cells > SMALL
    assert made.solve(solve_plainly).solution.new_units.sum() < 30 * 18
    assert made.solve(solve).solution.new_units.sum() == 30 * 18


def test_a_rock_is_placed_before_the_sand() -> None:
    """Three small pools that fit anywhere leave one whole hall to the one that needs it."""
    made = World().factory("a")
    for hall in ("a/hall-1", "a/hall-2"):
        made.domain(hall).slots(hall, 6)
    for k in range(3):
        made.pool(f"sand-{k}", 2, priority=9)
    made.pool("rock", 6, priority=1, pack="hall")
    plan = made.solve(solve)
    assert plan.totals("rock", "sand-0", "sand-1", "sand-2") == [6, 2, 2, 2]


def test_a_rock_that_was_in_the_way_of_higher_pools_tries_the_next_factory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Placed first it takes the factory that both higher pools fit into, and not the other one."""
    monkeypatch.setattr("aifactory_solver.improve.SMALL", 0)
    made = World().factory("a").slots("a", 12).factory("b").slots("b", 10)
    made.pool("one", 6, priority=3, pack="factory").pool("two", 6, priority=2, pack="factory")
    made.pool("rock", 10, priority=1, pack="factory")
    assert made.solve(solve).totals("one", "two", "rock") == [6, 6, 10]


def test_strict_priority_holds_where_a_weighted_sum_would_not() -> None:
    """A thousand GPUs below are not worth one above."""
    made = World().factory("a", 1000).slots("a", 1000)
    made.pool("low", 1000, priority=1, minimum=1000).pool("high", 1, priority=2)
    plan = made.solve(solve)
    assert plan.totals("low", "high") == [0, 1]


def test_exact_cells_are_taken_only_where_they_fit() -> None:
    made = World().factory("a").slots("a", 4).factory("b").slots("b", 4)
    problem = made.pool("p", 3).problem()
    for cells, there in (({1: 3}, 1), ({1: 5}, 0)):
        plan: Plan = {0: cells}
        assert follow(Guide(Layout(problem, np), cells=plan)).new_cell.tolist() == [there]


@pytest.mark.parametrize("wanted", [True, False])
def test_cycles_are_collected_afterwards_as_before(wanted: bool) -> None:
    """Not while a solve lasts, and also after one that fails."""
    seen = list[bool]()

    def fails(relaxation: Relaxation, aim: Aim) -> Optimum:
        seen.append(gc.isenabled())
        raise ArithmeticError

    before = gc.isenabled()
    (gc.enable if wanted else gc.disable)()
    try:
        with pytest.raises(ArithmeticError):
            solve(World().factory("a").slots("a", 1).pool("p", 2).problem(), engine=fails)
        assert (seen, gc.isenabled()) == ([False], wanted)
    finally:
        (gc.enable if before else gc.disable)()


def test_a_pool_that_is_raised_to_the_top_is_served_if_it_can_be_at_all() -> None:
    for seed in range(sample(6)):
        problem = world(Knobs(3, 5, 3, 20, standing=0.0, tightness=0.6, changes=frozenset()), seed)
        plan = solve(problem)
        served = np.isin(np.arange(problem.pools), plan.new_pool)
        for pool in np.flatnonzero(~served & (problem.minimum > 0) & (problem.need > 0))[:3].tolist():
            priority = np.minimum(problem.priority, 2**30)
            priority[pool] = 2**30 + 1
            raised = replace(problem, priority=priority)
            alone = replace(raised, need=np.where(np.arange(problem.pools) == pool, raised.need, 0))
            alone = replace(alone, minimum=np.minimum(alone.minimum, alone.need))
            assert (pool in solve(raised).new_pool) == (pool in solve(alone).new_pool)


def test_more_factories_never_serve_less() -> None:
    for seed in range(sample(10)):
        small = world(Knobs(2, 4, 2, 15, standing=0.0, tightness=0.5, changes=frozenset()), seed)
        closed = replace(small, cell_open=small.cell_open & (small.factory[small.cell_domain] == 0))
        served = [value(problem, solve(problem)) for problem in (closed, small)]
        assert not served[0].serves_more_than(served[1])
