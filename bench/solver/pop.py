"""POP (Narayanan et al., SOSP 2021, doi 10.1145/3477132.3483588): random parts, each solved by itself.

Factories and pools are split at random into k parts; a part is a problem like any other, and the plans
together are one plan. A pool that stands in several parts gives all that up and is placed anew in one.
"""

from collections.abc import Callable
from dataclasses import replace
from random import Random

import numpy as np

from aifactory_solver import solve
from aifactory_solver.problem import Bools, Ints, Problem, Solution
from bench.solver.cut import cut
from bench.solver.space import SPREADS

PARTS = 4
Solver = Callable[[Problem], Solution]


def pop(problem: Problem, budget: float, parts: int = PARTS) -> Solution:
    """Solve k parts with the project's solver, and put the plans together. Needs no budget."""
    return partitioned(problem, parts, solve)


def partitioned(problem: Problem, parts: int, solver: Solver, seed: int = 0) -> Solution:
    """The plans of all parts as one. The same seed gives the same parts."""
    random = Random(f"pop {seed}")
    factories = int(problem.allowed.shape[1])
    parts = max(1, min(parts, factories * 2 // 3))
    order = random.sample(range(factories), factories)
    of_factory = np.zeros(factories, np.int64)
    of_factory[order] = np.arange(factories) % parts
    of_pool = _shared_out(problem, of_factory, parts, random)
    kept = np.zeros(problem.rows, np.int64)
    new = []
    for part in range(parts):
        piece, pools, cells, rows = _piece(problem, of_factory == part, of_pool == part)
        plan = solver(piece)
        kept[rows] = plan.kept
        new.append(np.stack((pools[plan.new_pool], cells[plan.new_cell], plan.new_units)))
    kept = np.where(problem.row_locked, problem.row_units, kept)
    pool, cell, units = np.concatenate(new, axis=1)
    return Solution(kept, pool, cell, units)


def _shared_out(problem: Problem, of_factory: Ints, parts: int, random: Random) -> Ints:
    """(P,) a part for each pool: where most of it stands, else a random one of those where it may stand.

    A part is the likelier the more quota it has in those factories, so that all have about equal demand.
    A spread over factories goes where there are enough of them, if anywhere.
    """
    cell_factory = problem.factory[problem.cell_domain]
    offers = np.zeros((problem.system_gpus.size, of_factory.size), np.bool_)  # (S, F)
    offers[problem.cell_system[problem.cell_open], cell_factory[problem.cell_open]] = True
    levels = np.zeros((int(problem.level.max(initial=0)) + 2, of_factory.size), np.bool_)  # (levels, F)
    levels[problem.level, problem.factory] = True  # a root's level -1 is the last row
    stands = np.zeros((problem.pools, parts), np.int64)
    np.add.at(stands, (problem.row_pool, of_factory[cell_factory[problem.row_cell]]), problem.row_units)
    found, quota = np.zeros(problem.pools, np.int64), np.zeros(of_factory.size)
    quota[problem.factory[problem.parent < 0]] = problem.limit[problem.parent < 0]
    for p in range(problem.pools):
        if stands[p].any():
            found[p] = int(np.argmax(stands[p]))
            continue
        may = problem.allowed[p] & offers[list(problem.systems[p])].any(axis=0)
        level = int(problem.topology_level[p])
        may &= levels[min(level, len(levels) - 2)] if level >= 0 else True
        number = np.bincount(of_factory[may], minlength=parts)
        quotas = np.bincount(of_factory[may], weights=quota[may], minlength=parts)
        chances = np.where(number >= _places(problem, p), quotas, 0)
        found[p] = (
            random.choices(range(parts), chances.tolist())[0] if chances.any() else int(np.argmax(number))
        )
    return found


def _places(problem: Problem, pool: int) -> int:
    """Factories that the pool needs: those of a spread over factories, else one."""
    return int(problem.spread[pool]) if problem.topology[pool] == SPREADS[0] else 1


def _piece(problem: Problem, factories: Bools, mine: Bools) -> tuple[Problem, Ints, Ints, Ints]:
    """One part as a problem, with the numbers that its pools, cells and rows have in the whole."""
    cells = factories[problem.factory[problem.cell_domain]]
    here = cells[problem.row_cell]
    apart = np.zeros(problem.pools, np.bool_)  # stands in other parts too
    apart[problem.row_pool[~here]] = True
    rows = here & (mine & ~apart)[problem.row_pool]
    # Locked units of pools in other parts stay, and are load that nobody may touch here.
    fixed, units = problem.fixed_watts.copy(), problem.cell_units.copy()
    for r in np.flatnonzero(here & problem.row_locked & ~rows).tolist():
        fixed[problem.cell_domain[problem.row_cell[r]]] += problem.row_units[r] * problem.row_watts[r]
        units[problem.row_cell[r]] -= problem.row_units[r]
    whole = replace(problem, fixed_watts=fixed, cell_units=units)
    piece = cut(whole, factories=factories, pools=mine, rows=rows)
    return piece, np.flatnonzero(mine), np.flatnonzero(cells), np.flatnonzero(rows)
