"""The checker: its counting is exact, against trying everything."""

from dataclasses import fields, replace

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aifactory_solver.check import check, validate, violations
from aifactory_solver.check.facts import Facts
from aifactory_solver.check.room import Room, fits
from aifactory_solver.problem import Problem, Solution
from unit.solver.brute import Brute, by_priority, empty, items
from unit.solver.worlds import knobs, world, worlds

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
