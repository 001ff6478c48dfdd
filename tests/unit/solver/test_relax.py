"""The relaxation: what is merged, and that no bound is ever below what a plan serves."""

from dataclasses import replace

import array_api_strict
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aifactory_solver.bands import bands
from aifactory_solver.exact import Budget, answer
from aifactory_solver.problem import Ints, Problem, Solution
from aifactory_solver.question import Plan, Question, ask
from aifactory_solver.relax.bound import Bound, Prices, Scenarios
from aifactory_solver.relax.classes import classify
from aifactory_solver.relax.engine import Aim, aim_at, aim_at_all
from aifactory_solver.relax.pdhg import Pdhg, pdhg
from aifactory_solver.relax.relaxation import Relaxation, in_use, relax
from aifactory_solver.relax.simplex import simplex
from aifactory_solver.relax.tighten import tighten
from aifactory_solver.strict.forest import Forest
from aifactory_solver.strict.plain import solve
from thorough import sample
from unit.solver.build import World
from unit.solver.halls import halls
from unit.solver.worlds import hard, worlds

some = settings(max_examples=sample(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
TINY = 1_000  # worlds


def relaxed(problem: Problem, band: Ints | None = None) -> tuple[Question, Relaxation]:
    """What the pools that a plan may place anew could have, in bands of their priorities."""
    question = ask(problem, solve(problem))
    band = bands(problem) if band is None else band
    return question, relax(question, band[question.pools], Forest(problem, np))


def scenario(relaxation: Relaxation, aim: Aim) -> Scenarios:
    return Scenarios(relaxation.slots, relaxation.limit, aim.weight, aim.floor)


def served(question: Question, plan: Plan) -> Ints:
    """(Q,) GPUs of its minimum that each pool has."""
    problem, gpus = question.problem, question.problem.system_gpus[question.problem.cell_system]
    has = [sum(n * int(gpus[c]) for c, n in plan.get(p, {}).items()) for p in question.pools.tolist()]
    return np.minimum(np.asarray(has, np.int64).reshape(-1), problem.minimum[question.pools])


def random_prices(relaxation: Relaxation, rng: np.random.Generator) -> Prices:
    """Any at all: none, small, large, below zero, not a number."""

    def some_of(size: int, scale: float) -> np.ndarray:
        values = scale * rng.lognormal(0, 3, size) * rng.choice((1, 1, 0, -1), size)
        return np.where(rng.random(size) < 0.02, np.nan, values)

    classes = relaxation.classes
    return Prices(some_of(classes.cells, 10), some_of(classes.domains, 1), some_of(relaxation.bands, 1))


def bound(relaxation: Relaxation, prices: Prices, aim: Aim) -> float:
    return float(Bound(relaxation, np)(prices, scenario(relaxation, aim)))


# Merging


def test_identical_rows_and_halls_are_one_class() -> None:
    classes = classify(halls().problem())
    assert classes.domains == 2 * 3  # in each of two factories: itself, its halls, its rows
    assert classes.cells == 2


@pytest.mark.parametrize("what", ["limit", "slots", "fabric", "closed"])
def test_a_row_that_differs_is_another_class(what: str) -> None:
    made = World().factory("a").domain("a/hall-1").domain("a/hall-2", 50 if what == "limit" else 10**9)
    made.slots("a/hall-1", 4)
    made.slots(
        "a/hall-2",
        5 if what == "slots" else 4,
        fabric=None if what == "fabric" else "",
        is_open=what != "closed",
    )
    assert classify(made.problem()).domains == 3


def test_rows_in_halls_that_differ_are_told_apart() -> None:
    made = World().factory("a").domain("a/hall-1", 10).domain("a/hall-2", 20)
    for hall in ("a/hall-1", "a/hall-2"):
        made.domain(f"{hall}/row").slots(f"{hall}/row", 4)
    assert classify(made.problem()).domains == 5


@some
@given(worlds())
def test_sums_over_classes_lose_nothing(problem: Problem) -> None:
    classes = classify(problem)
    assert classes.per_domain(problem.limit).sum() == problem.limit.sum()
    open_ = problem.cell_units[problem.cell_open]
    assert classes.per_cell(problem.cell_units).sum() == open_.sum()


@some
@given(worlds(pools=4))
def test_tightened_room_still_holds_every_plan(problem: Problem) -> None:
    plan = solve(problem)
    question = ask(problem, plan)
    limit, slots = tighten(problem, question.left, question.free)
    mine = np.isin(plan.new_pool, question.pools)
    units, watts = np.zeros(problem.cells, np.int64), np.zeros(problem.domains, np.int64)
    np.add.at(units, plan.new_cell[mine], plan.new_units[mine])
    np.add.at(watts, problem.cell_domain, units * problem.cell_watts)
    for d in range(problem.domains - 1, -1, -1):
        if problem.parent[d] >= 0:
            watts[problem.parent[d]] += watts[d]
    assert np.all(units <= slots)
    assert np.all(watts <= np.maximum(limit, 0))


def test_what_whole_units_cannot_use_is_taken_off() -> None:
    made = World().factory("a", 100).slots("a", 9, "node", watts=30).slots("a", 9, "rack", watts=45)
    problem = made.problem()
    limit, slots = tighten(problem, problem.limit, problem.cell_units)
    assert limit.tolist() == [90]  # three of 30 or two of 45, and 30 + 45 is less
    assert slots.tolist() == [3, 2]


# Bounds


def tiny(seed: int) -> Problem:
    return hard(seed, pools=5, factories=2)


def one_priority(problem: Problem) -> Problem:
    return replace(problem, priority=np.zeros_like(problem.priority))


@pytest.mark.parametrize("batch", range(sample(3)))
def test_no_prices_give_a_bound_below_the_optimum(batch: int) -> None:
    rng = np.random.default_rng(batch)
    for seed in range(batch * TINY // 4, (batch + 1) * TINY // 4):
        problem = one_priority(tiny(seed))
        question, relaxation = relaxed(problem)
        best = int(served(question, answer(question, Budget(iterations=1_000_000)).plan).sum())
        aim = Aim(np.ones(relaxation.bands), np.zeros(relaxation.bands))
        for _ in range(3):
            assert bound(relaxation, random_prices(relaxation, rng), aim) >= best - 1e-6
        exact = simplex(relaxation, aim).prices
        assert bound(relaxation, exact, aim) >= best - 1e-6
        found = pdhg(relaxation, aim).prices if seed % 10 == 0 else exact
        off = (p * rng.lognormal(0, 0.5, p.shape) for p in (found.slot, found.watt, found.floor))
        assert bound(relaxation, Prices(*off), aim) >= best - 1e-6


@some
@given(worlds(pools=6), st.integers(0, 2**32 - 1))
def test_a_band_is_bounded_given_what_the_bands_above_have(problem: Problem, seed: int) -> None:
    """Whatever the prices: the plan that gives the floors is itself no better than the bound."""
    question, relaxation = relaxed(problem)
    has = served(question, answer(question, Budget(iterations=1_000_000)).plan)
    band = bands(problem)[question.pools]
    floor = np.bincount(band, weights=has, minlength=relaxation.bands).astype(np.float64)
    rng = np.random.default_rng(seed)
    for k in range(relaxation.bands):
        aim = aim_at(k, floor)
        for prices in (random_prices(relaxation, rng), simplex(relaxation, aim).prices):
            assert bound(relaxation, prices, aim) >= floor[k] - 1e-6


@some
@given(worlds())
def test_both_engines_find_the_same_optimum(problem: Problem) -> None:
    _, relaxation = relaxed(problem)
    aim = aim_at_all(relaxation.bands)
    first, second = (bound(relaxation, engine(relaxation, aim).prices, aim) for engine in (simplex, pdhg))
    assert second == pytest.approx(first, rel=0.02, abs=1.0)


@some
@given(worlds())
def test_a_plan_to_begin_from_changes_no_optimum(problem: Problem) -> None:
    """Whatever the plan is, and where none of it is of use."""
    question, relaxation = relaxed(problem)
    band, forest, aim = bands(problem)[question.pools], Forest(problem, np), aim_at_all(relaxation.bands)
    nothing = Solution(np.zeros_like(problem.row_units), *(np.zeros(0, np.int64),) * 3)
    optima = []
    for plan in (None, solve(problem), nothing):
        near = relax(question, band, forest, plan)
        optima.append(bound(near, simplex(near, aim).prices, aim))
    assert optima == pytest.approx(optima[:1] * 3, abs=1e-4)


def test_what_a_plan_uses_is_what_its_pools_stand_on() -> None:
    made = World().factory("a").slots("a", 4).slots("a", 4, "two").factory("b").slots("b", 4)
    made.pool("p", 4, systems=("one", "two"), factories=("a",)).pool("q", 4).pool("waits", 90)
    question, relaxation = relaxed(made.problem())
    plan = made.plan({"p": {"a": 4}, "q": {"b": 4}})
    used = in_use(question, relaxation.offers, relaxation.demands, plan)
    pairs = {
        (demand, int(relaxation.offers.factory[offer]))
        for demand, offer in zip(*np.nonzero(used), strict=True)
    }
    assert pairs == {(relaxation.demands.of_pool[0], 0), (relaxation.demands.of_pool[1], 1)}


@some
@given(worlds())
def test_targets_keep_all_rows(problem: Problem) -> None:
    _, relaxation = relaxed(problem)
    targets = simplex(relaxation, aim_at_all(relaxation.bands)).targets
    assert targets.min(initial=0.0) >= -1e-6
    assert not np.any(targets[~relaxation.demands.may_use])
    assert np.all((relaxation.gain * targets).sum(axis=1) <= relaxation.demands.need + 1e-6)
    pairs = relaxation.slots[relaxation.offers.pair_cell]
    room = np.bincount(relaxation.offers.pair_offer, weights=pairs, minlength=relaxation.offers.count)
    assert np.all(targets.sum(axis=0) <= room + 1e-6)


# Namespaces and scenarios


@settings(max_examples=sample(20), deadline=None)
@given(worlds())
def test_the_strict_namespace_iterates_in_the_same_numbers(problem: Problem) -> None:
    _, relaxation = relaxed(problem)
    one = scenario(relaxation, aim_at_all(relaxation.bands))
    many = Scenarios(*(np.asarray(side)[None] for side in vars(one).values()))
    mine, strict = (
        Pdhg(relaxation, xp).solve(many, tolerance=0.0, iterations=50) for xp in (np, array_api_strict)
    )
    assert np.array_equal(mine.targets, np.asarray(strict.targets))
    assert np.array_equal(mine.bound, np.asarray(strict.bound))


@settings(max_examples=sample(20), deadline=None)
@given(worlds())
def test_scenarios_at_once_are_what_they_are_alone(problem: Problem) -> None:
    _, relaxation = relaxed(problem)
    one = scenario(relaxation, aim_at_all(relaxation.bands))
    shares = np.asarray([1.0, 0.5, 0.0])
    many = Scenarios(
        np.tile(one.slots, (3, 1)),
        shares[:, None] * one.limit,
        np.tile(one.weight, (3, 1)),
        np.tile(one.floor, (3, 1)),
    )
    together = Pdhg(relaxation, np).solve(many, tolerance=0.0, iterations=80)
    for k in range(3):
        alone = Scenarios(*(side[k : k + 1] for side in vars(many).values()))
        found = Pdhg(relaxation, np).solve(alone, tolerance=0.0, iterations=80)
        assert found.bound[0] == pytest.approx(together.bound[k], rel=1e-3, abs=1e-3)
    assert together.bound[2] <= together.bound[0] + 1e-6
