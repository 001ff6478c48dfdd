"""The adopted plan: what was decided stays until it is done, is asked otherwise, or can be no more.

It outlives cycles. A plan is carried out over several of them, and one that is made anew half-way, around
what was ordered by then, may serve somebody else. After a restart the adopted plan is what stands.
"""

from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np

from aifactory.decide.model.case import Case
from aifactory.decide.model.plan import Adopted, Place
from aifactory.decide.model.world import PoolKey, key_of
from aifactory_solver import Problem, Solution

Meant = dict[int, dict[int, int]]  # {pool: {cell: units}}


def adopt(case: Case, solution: Solution) -> Adopted:
    """What a plan means for the cycles to come."""
    places, units = _places(case), Counter[tuple[PoolKey, Place]]()
    columns = (case.problem.row_pool, case.problem.row_cell, solution.kept)
    news = (solution.new_pool, solution.new_cell, solution.new_units)
    for pools, cells, counts in (columns, news):
        for pool, cell, count in zip(pools.tolist(), cells.tolist(), counts.tolist(), strict=True):
            units[key_of(case.pools[pool]), places[cell]] += count
    return Adopted(
        case.question,
        {where: count for where, count in units.items() if count},
        {key: _spec(case, key) for key in case.index},
    )


def resumed(case: Case, adopted: Adopted | None) -> Solution | None:
    """The adopted plan as an answer to this case; None where something else is asked by now.

    The answer may be wrong: what it counts on may be gone.
    """
    if adopted is None or adopted.question != case.question:
        return None
    problem = case.problem
    cell_of = {place: cell for cell, place in enumerate(_places(case))}
    if not all(place in cell_of for _, place in adopted.units):
        return None
    left = Counter({(case.index[key], cell_of[place]): n for (key, place), n in adopted.units.items()})
    kept = np.zeros_like(problem.row_units)
    first = np.lexsort((problem.row_watts, ~problem.row_locked))  # what is locked, then what draws less
    for row in first.tolist():
        where = int(problem.row_pool[row]), int(problem.row_cell[row])
        kept[row] = min(int(problem.row_units[row]), left[where])
        left[where] -= int(kept[row])
    new = sorted((pool, cell, units) for (pool, cell), units in left.items() if units)
    columns = np.asarray(new, dtype=np.int64).reshape(-1, 3)
    return Solution(kept, columns[:, 0], columns[:, 1], columns[:, 2])


def meant(case: Case, *plans: Adopted | None) -> Meant:
    """Where plans mean pools to stand whose specs are as they were; of several plans the first that does."""
    cell_of = {place: cell for cell, place in enumerate(_places(case))}
    specs = {key: _spec(case, key) for key in case.index}
    found: Meant = {}
    for plan in filter(None, plans):
        its: Meant = defaultdict(dict)
        for (key, place), units in plan.units.items():
            if key in specs and plan.specs.get(key) == specs[key] and place in cell_of:
                its[case.index[key]][cell_of[place]] = units
        found = {**its, **found}
    return found


def holding(case: Case, problem: Problem, waiting: frozenset[PoolKey]) -> Problem:
    """The problem in which some pools keep what they hold and ask for nothing."""
    if not waiting:
        return problem
    frozen = problem.frozen.copy()
    frozen[[case.index[key] for key in waiting if key in case.index]] = True
    return replace(problem, frozen=frozen)


def _spec(case: Case, key: PoolKey) -> tuple[str, str, int]:
    """What tells one wish of a pool from all others: its uid, where it may stand, and how many GPUs."""
    pool = case.pools[case.index[key]]
    return pool.metadata.uid, case.stamps[key][0], pool.spec.gpus


def _places(case: Case) -> list[Place]:
    """The place of each cell."""
    found = []
    for cell in case.cells:
        instances = case.layouts[cell.factory].instances
        fabric = instances[cell.fabric].path if cell.fabric >= 0 else ""
        path = instances[cell.instance].path
        found.append(
            Place(cell.factory, path, fabric, cell.system, cell.gpus, described=cell.group is not None)
        )
    return found
