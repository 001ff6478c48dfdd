"""The solver in random hard worlds: what must always hold."""

from collections.abc import Callable
from dataclasses import replace

import array_api_strict
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aifactory_solver import solve
from aifactory_solver.check import check, validate, violations
from aifactory_solver.check.facts import Facts
from aifactory_solver.problem import Problem, Solution
from thorough import sample
from unit.solver.build import solved
from unit.solver.draft import PRIORITIES, Knobs
from unit.solver.shrink import in_words, shrunk
from unit.solver.worlds import afterwards, hard, world, worlds

Solver = Callable[..., Solution]

some = settings(max_examples=sample(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
both = pytest.mark.parametrize("by", [solved, solve], ids=["plain", "full"])
HARD_WORLDS = 50  # in each of eight batches


def same(one: Solution, other: Solution) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(vars(one).values(), vars(other).values(), strict=True))


@pytest.mark.parametrize("batch", range(sample(8)))
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


@both
@settings(some, max_examples=sample(40))
@given(problem=worlds())
def test_the_same_world_gives_the_same_plan_and_stays_as_it_is(problem: Problem, by: Solver) -> None:
    for array in vars(problem).values():
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    assert same(by(problem), by(problem))


@both
@settings(some, max_examples=sample(40))
@given(problem=worlds())
def test_the_strict_array_namespace_gives_the_same_plan(problem: Problem, by: Solver) -> None:
    assert same(by(problem), by(problem, array_api_strict))


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
    torn = problem.spread[pool] > 0 and not _stands_spread(problem, facts, pool)
    short = facts.stood_gpus[pool] < facts.minimum[pool]
    to_go = problem.uprooted[pool] and (short or torn)  # whole, or re-placed
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


def _stands_spread(problem: Problem, facts: Facts, pool: int) -> bool:
    """Whether a spread pool stands in enough places, none above its share."""
    rows = problem.row_pool == pool
    place, in_place = facts.groups(pool)[problem.row_cell[rows]], np.zeros(problem.domains, np.int64)
    if np.any(place < 0):
        return False
    np.add.at(in_place, place, problem.row_units[rows])
    share = -(-int(in_place.sum()) // int(problem.spread[pool]))
    return bool(np.count_nonzero(in_place) >= problem.spread[pool] and in_place.max(initial=0) <= share)


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
