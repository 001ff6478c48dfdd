"""The peers' plans are sound: in the benchmark's instances and in random hard worlds."""

from collections import Counter

import highspy
import numpy as np
import pytest

from aifactory.decide.model.build import build
from aifactory_solver import solve
from aifactory_solver.check import violations
from aifactory_solver.problem import Ints, Problem, Solution
from bench.solver import greedy
from bench.solver.events import EVENTS
from bench.solver.knapsack import knapsack
from bench.solver.measure import MANNERS, measure
from bench.solver.peers import METHODS
from bench.solver.pop import partitioned
from thorough import sample
from unit.bench.made import first_plan, running_fleet
from unit.solver.build import World
from unit.solver.worlds import hard

OWN = ("greedy-first-fit", "greedy-best-fit", "greedy-keep", "pop")
WAITING = {"inversion", "free room"}


def broken(problem: Problem, plan: Solution) -> set[str]:
    return {line.split(":")[0] for line in violations(problem, plan)} - WAITING


@pytest.mark.parametrize("method", OWN)
@pytest.mark.parametrize("scale", ["S", "M"])
def test_a_first_plan_of_a_peer_breaks_no_rule(method: str, scale: str) -> None:
    problem = build(first_plan(scale, "classes", 1)).problem
    found = measure(problem, METHODS[method](problem, 1.0))
    assert found.broken == {}
    if method.startswith("greedy"):
        assert (found.inversions, found.free_room_misses) == (0, 0)


@pytest.mark.parametrize("method", OWN)
@pytest.mark.parametrize("event", EVENTS)
def test_a_plan_of_a_peer_for_a_running_fleet_is_sound(method: str, event: str) -> None:
    for scale, seed in (("S", 1), ("S", 2), ("M", 1))[: sample(3)]:
        problem = build(EVENTS[event](running_fleet(scale, "many", seed), seed)).problem
        plan = METHODS[method](problem, 1.0)
        assert broken(problem, plan) <= set(MANNERS)
        if method == "greedy-keep":
            assert broken(problem, plan) == set()
            if event in ("none", "raise-1"):
                assert measure(problem, plan).moved == measure(problem, plan).evicted == 0


@pytest.mark.parametrize("fit", [greedy.first_fit, greedy.best_fit, greedy.keep])
def test_greedy_is_sound_in_hard_worlds(fit: greedy.Fit) -> None:
    """Shut, locked, leaving, paused and changed things are in these. More of them: raise the number."""
    found = Counter[str]()
    for seed in range(60):
        problem = hard(seed)
        found.update(broken(problem, fit(problem)) - set(MANNERS))
    assert found == Counter()


def test_greedy_keeps_what_stands_under_a_lowered_limit_highest_first() -> None:
    world = World().factory("a", 5).factory("b", 2).slots("a", 9).slots("b", 9)
    world.pool("high", 3, priority=2).pool("middle", 2, priority=1).pool("low", 3)
    world.stands("high", "a", 3).stands("middle", "a", 2).stands("low", "a", 3)
    world.domains["a"].limit = 4
    plan = greedy.keep(world.problem())
    assert plan.kept.tolist() == [3, 0, 0]
    assert (plan.new_pool.tolist(), plan.new_units.tolist()) == ([1], [2])  # where b has room


def test_pop_gives_each_part_its_own_and_loses_no_pool_that_stands_in_one() -> None:
    problem = build(running_fleet("M", "classes", 1)).problem
    one, again = (partitioned(problem, 4, solve) for _ in range(2))
    assert np.array_equal(one.new_units, again.new_units)
    factories = problem.factory[problem.cell_domain]
    assert len(np.unique(factories[one.new_cell])) == 10


def test_a_milp_says_how_far_greedy_is_from_the_optimum_of_a_multiple_knapsack() -> None:
    """Subset-sum of one priority is the classical problem, so the sum of weights decides."""
    problem = build(knapsack("subset-sum", "S", 1)).problem
    best = _multiple_subset_sum(problem.need, problem.limit[problem.parent < 0] // 1000)
    served = [sum(measure(problem, METHODS[m](problem, 1.0)).served_by_band) for m in OWN]
    assert best <= problem.need.sum() // 2
    assert 0.9 * best <= served[1] <= best
    assert max(served) <= best


def _multiple_subset_sum(weights: Ints, capacities: Ints) -> int:
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("time_limit", 20.0)
    put = [[solver.addBinary(obj=float(w)) for _ in capacities] for w in weights.tolist()]
    for bins in put:
        solver.addConstr(sum(bins) <= 1)
    for b, capacity in enumerate(capacities.tolist()):
        solver.addConstr(sum(w * bins[b] for w, bins in zip(weights.tolist(), put, strict=True)) <= capacity)
    solver.maximize()
    return round(solver.getInfo().mip_dual_bound)
