"""Hard random problems, seeded: the same knobs and seed give the same problem.

A fleet is filled at random under limits that are too small for all, so that what stands is a valid plan;
then the world turns against it: limits fall, units are lost, told to leave or locked, cells close, and specs
change. Hypothesis draws the knobs, so that a failure shrinks to few factories, few pools and few changes.
"""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from aifactory_solver.check import validate
from aifactory_solver.problem import Problem, Solution
from unit.solver.draft import CHANGES, PRIORITIES, Draft, Knobs
from unit.solver.fleet import ask_for_pools, fill, grow_forest, put_racks
from unit.solver.turns import TURNS


def knobs(
    pools: int = 14, factories: int = 3, changes: tuple[str, ...] = CHANGES
) -> st.SearchStrategy[Knobs]:
    """Knobs up to so many pools and factories, with any of these changes."""
    return st.builds(
        Knobs,
        factories=st.integers(0, factories),
        paths=st.integers(0, 7),
        systems=st.integers(1, 4),
        pools=st.integers(0, pools),
        standing=st.sampled_from((0.0, 0.5, 0.8, 1.0)),
        tightness=st.sampled_from((0.4, 0.6, 0.8, 1.0, 1.2)),
        priorities=st.sampled_from(PRIORITIES),
        changes=st.frozensets(st.sampled_from(changes)) if changes else st.just(frozenset()),
        small_units=st.booleans(),
    )


def worlds(
    pools: int = 14, factories: int = 3, changes: tuple[str, ...] = CHANGES
) -> st.SearchStrategy[Problem]:
    """Random problems, validated."""
    return st.builds(world, knobs(pools, factories, changes), st.integers(0, 2**32 - 1))


def hard(seed: int, pools: int = 14, factories: int = 3) -> Problem:
    """A world whose knobs are drawn from the seed too, never an empty one."""
    rng = np.random.default_rng(seed)
    shape = Knobs(
        factories=int(rng.integers(1, factories + 1)),
        paths=int(rng.integers(0, 8)),
        systems=int(rng.integers(1, 5)),
        pools=int(rng.integers(1, pools + 1)),
        standing=float(rng.choice((0, 0.5, 0.8, 1))),
        tightness=float(rng.choice((0.4, 0.6, 0.8, 1, 1.2))),
        priorities=str(rng.choice(PRIORITIES)),
        changes=frozenset(change for change in CHANGES if rng.random() < 0.5),
        small_units=bool(rng.random() < 0.5),
    )
    return world(shape, seed)


def world(knobs: Knobs, seed: int) -> Problem:
    """One problem."""
    rng = np.random.default_rng(seed)
    draft = Draft()
    grow_forest(draft, rng, knobs)
    put_racks(draft, rng, knobs)
    ask_for_pools(draft, rng, knobs)
    fill(draft, rng, knobs)
    for change in CHANGES:
        if change in knobs.changes:
            TURNS[change](draft, rng)
    problem = draft.problem()
    validate(problem)
    return problem


def afterwards(problem: Problem, solution: Solution) -> Problem:
    """The world once the plan is carried out: what is kept and new stands, what leaves is gone.

    New units count their cell's watts; a pool that found its new place has what its spec asks for.
    """
    rows = np.flatnonzero(solution.kept > 0)
    cells = np.concatenate((problem.row_cell[rows], solution.new_cell))
    pools = np.concatenate((problem.row_pool[rows], solution.new_pool))
    moved = np.zeros(problem.pools, np.bool_)
    moved[solution.new_pool] = True
    moved[problem.row_pool[rows]] = False
    added = solution.new_pool.size
    return replace(
        problem,
        leaving_watts=np.zeros_like(problem.leaving_watts),
        cell_leaving=np.zeros_like(problem.cell_leaving),
        row_pool=pools,
        row_cell=cells,
        row_units=np.concatenate((solution.kept[rows], solution.new_units)),
        row_watts=np.concatenate((problem.row_watts[rows], problem.cell_watts[solution.new_cell])),
        row_locked=np.concatenate((problem.row_locked[rows], np.zeros(added, np.bool_))),
        row_leave=np.concatenate((problem.row_leave[rows], np.zeros(added, np.bool_))),
        row_fits=np.concatenate((problem.row_fits[rows], np.ones(added, np.bool_))),
        changed=problem.changed & ~moved & np.isin(np.arange(problem.pools), pools),
        uprooted=np.zeros(problem.pools, np.bool_),
        displaced=np.zeros(problem.pools, np.int64),
    )
